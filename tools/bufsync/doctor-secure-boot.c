// SPDX-License-Identifier: GPL-2.0-only
/* doctor: signatures, and whether this machine insists on them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bufsync.h"

#define VARIABLES	"/sys/firmware/efi/efivars"
#define SECURE_BOOT	VARIABLES "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define MOK_LIST	VARIABLES "/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
#define MOK_LIST_NEW	"/sys/firmware/efi/mok-variables/MokListRT"
#define MOK		"/var/lib/dkms/mok.pub"
#define UBUNTU_MOK	"/var/lib/shim-signed/mok/MOK.der"

/* All of a file, up to a megabyte; NULL and errno. */
static char *read_all(const char *name, size_t *size)
{
	FILE *file = sys_open("%s", name);
	const size_t room = 1 << 20;
	char *data;

	if (!file)
		return NULL;
	data = malloc(room);
	*size = data ? fread(data, 1, room, file) : 0;
	fclose(file);
	if (data && !*size) {
		free(data);
		data = NULL;
		errno = EIO;
	}
	return data;
}

/* 1 on, 0 off, -errno unknown */
static int secure_boot(void)
{
	size_t size;
	char *data;
	int on;

	if (!sys_is_there("/sys/firmware/efi"))
		return 0;
	data = read_all(SECURE_BOOT, &size);
	if (!data)
		return errno == ENOENT && sys_is_there(VARIABLES) > 0 ? 0 : -EACCES;
	/* The variable's attributes come first, four bytes. */
	on = size > 4 ? data[4] == 1 : -EIO;
	free(data);
	return on;
}

/* 1 if modules must be signed, 0 if not, -errno */
static int enforced(void)
{
	char lockdown[LINE_SIZE], sig[LINE_SIZE];
	int no_lockdown = sys_line(lockdown, "/sys/kernel/security/lockdown");
	int no_sig = sys_line(sig, "/sys/module/module/parameters/sig_enforce");

	if (!no_sig && *sig == 'Y')
		return 1;
	if (!no_lockdown && (strstr(lockdown, "[integrity]") ||
			     strstr(lockdown, "[confidentiality]")))
		return 1;
	/* A kernel without lockdown has no such file, if securityfs is there at all. */
	if (no_lockdown && !(no_lockdown == -ENOENT &&
			     sys_is_there("/sys/kernel/security/lsm") > 0))
		return no_lockdown;
	/* Without CONFIG_MODULE_SIG there is no such parameter. */
	if (no_sig && no_sig != -ENOENT)
		return no_sig;
	return 0;
}

/* Is dkms's certificate among those that the owner has enrolled? 1, 0, -errno */
static int key_enrolled(const char **key)
{
	size_t cert_size, list_size;
	char *cert, *list;
	int ret;

	*key = MOK;
	cert = read_all(MOK, &cert_size);
	if (!cert && errno == ENOENT) {
		*key = UBUNTU_MOK;
		cert = read_all(UBUNTU_MOK, &cert_size);
	}
	if (!cert) {
		if (errno != ENOENT)
			return -errno;
		*key = NULL;
		return 0;
	}
	list = read_all(MOK_LIST, &list_size);
	if (!list)
		list = read_all(MOK_LIST_NEW, &list_size);
	if (list)
		ret = !!memmem(list, list_size, cert, cert_size);
	else
		ret = errno == ENOENT ? 0 : -errno;
	free(list);
	free(cert);
	return ret;
}

/**
 * doctor_refused - would the kernel refuse a module for its signature?
 * @module:	the module
 *
 * Return: the checks whose fixes help, as words of a sentence; NULL if it would not, or if that
 * is not known
 */
const char *doctor_refused(const struct module *module)
{
	bool no_key = secure_boot() == 0;
	const char *key;

	if (!module->readable || enforced() <= 0)
		return NULL;
	no_key = no_key || key_enrolled(&key) == 0;
	if (*module->signer)
		return no_key ? "\"key\" says" : NULL;
	return no_key ? "\"signature\" and \"key\" say" : "\"signature\" says";
}

static void check_key(struct doctor *doctor, int on)
{
	char fix[LINE_SIZE];
	const char *key;
	int enrolled = key_enrolled(&key);

	/* Linux does not read the list of enrolled keys otherwise. */
	if (!on) {
		found(doctor, "key", "problem",
		      "turn on Secure Boot, or boot without module.sig_enforce and lockdown=",
		      "without Secure Boot this kernel trusts no key that is enrolled");
		return;
	}
	if (enrolled < 0) {
		found(doctor, "key", "unknown", "sudo mokutil --test-key " MOK,
		      "whether dkms's key is enrolled: %s", strerror(-enrolled));
		return;
	}
	if (!key) {
		found(doctor, "key", "problem",
		      "sudo apt-get install openssl && sudo dkms generate_mok",
		      "dkms has no key to sign with");
		return;
	}
	snprintf(fix, sizeof(fix),
		 "sudo mokutil --import %s && sudo reboot, and enrol it in the blue screen", key);
	if (enrolled)
		found(doctor, "key", "ok", NULL, "%s is enrolled", key);
	else
		found(doctor, "key", "problem", fix, "%s is not enrolled on this machine", key);
}

static void check_signatures(struct doctor *doctor, int must)
{
	char unsigned_names[LINE_SIZE] = "", fix[LINE_SIZE];
	size_t used = 0;
	bool any = false;
	int i;

	for (i = 0; i < MODULES; i++) {
		const struct module *m = &doctor->modules[i];

		if (!m->readable)
			continue;
		any = true;
		if (!*m->signer)
			used += snprintf(unsigned_names + used, sizeof(unsigned_names) - used,
					 "%s%s", used ? ", " : "", m->name);
	}
	if (!any)
		return;		/* said elsewhere */
	/* To install by force is not enough: what is built already stays as it is. */
	snprintf(fix, sizeof(fix), "sudo dkms generate_mok; sudo dkms build --force bufsync/"
		 BUFSYNC_VERSION " -k %.300s && sudo dkms install --force bufsync/"
		 BUFSYNC_VERSION " -k %.300s", doctor->kernel.release, doctor->kernel.release);
	if (!used)
		found(doctor, "signature", "ok", NULL, "the modules are signed, by \"%s\"",
		      doctor->modules[0].signer);
	else if (must > 0)
		found(doctor, "signature", "problem", fix,
		      "not signed, so this kernel does not load them: %s", unsigned_names);
	else
		found(doctor, "signature", "note", fix,
		      "not signed, which only Secure Boot minds: %s", unsigned_names);
}

void doctor_secure_boot(struct doctor *doctor)
{
	int on = secure_boot(), must = enforced();

	if (on < 0)
		found(doctor, "secure_boot", "unknown", "mokutil --sb-state",
		      "whether Secure Boot is on: %s", strerror(-on));
	else
		found(doctor, "secure_boot", "ok", NULL, "Secure Boot is %s", on ? "on" : "off");
	if (must < 0)
		found(doctor, "lockdown", "unknown", must == -ENOENT ?
		      "sudo mount -t securityfs none /sys/kernel/security" :
		      "sudo cat /sys/kernel/security/lockdown",
		      "whether modules must be signed: %s", strerror(-must));
	else
		found(doctor, "lockdown", "ok", NULL, must ?
		      "the kernel loads only modules whose signature it trusts" :
		      "the kernel loads unsigned modules, too");
	check_signatures(doctor, must);
	if (must > 0 || on > 0)
		check_key(doctor, on);
}
