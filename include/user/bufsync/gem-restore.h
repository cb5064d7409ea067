/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Giving GEM handles the numbers that they had in a process that is restored.
 *
 * There are two ways, with the same result: MOVE of /dev/drm_gem, and one that needs
 * nothing of this bundle. DRM gives a new handle the lowest number that is free. So:
 * export the objects, fill all holes below with dummies, close the handles, and
 * import the objects one after the other, each when its number is the lowest free.
 *
 * What the second way costs or cannot do:
 * - as many dummies, of a page each, as there are holes below the highest number;
 * - an fd for each object, for its duration;
 * - objects that cannot be exported, such as amdgpu's with VM_ALWAYS_VALID;
 * - state that the driver keeps for the handle, such as amdgpu's mappings in the GPU's
 *   address space, and a global name (DRM_IOCTL_GEM_FLINK), end with the handle;
 * - objects that were not exported are so afterwards;
 * - nobody else may open or close handles of this file meanwhile.
 *
 * "ctl" is an fd of /dev/drm_gem, "drm" one of /dev/dri/cardN or renderDN. Functions
 * that return int return 0, or -1 and errno.
 */
#ifndef _BUFSYNC_GEM_RESTORE_H
#define _BUFSYNC_GEM_RESTORE_H

#include <unistd.h>
#include <sys/stat.h>

#if defined(__has_include) && !__has_include("drm/drm.h")
#include <libdrm/drm_mode.h>
#include <libdrm/virtgpu_drm.h>
#else
#include <drm/drm_mode.h>
#include <drm/virtgpu_drm.h>
#endif

#include <bufsync/gem-list.h>

/**
 * struct bufsync_gem_move - a handle and the number that it shall have
 * @handle:	in: the number that it has. Out, also after an error: the number that
 *		it has now, 0 if the object was lost because it could not be imported
 * @new_handle:	the number that it shall have; may be another one's @handle
 */
struct bufsync_gem_move {
	__u32 handle;
	__u32 new_handle;
};

/* Makes an object of any kind, as small as can be; 0, or -1 and errno. */
typedef int (*bufsync_gem_create_fn)(int drm, void *arg, __u32 *handle);

/* Most drivers; by a primary node only */
static inline int bufsync_gem_create_dumb(int drm, void *arg, __u32 *handle)
{
	struct drm_mode_create_dumb dumb;

	(void)arg;
	memset(&dumb, 0, sizeof(dumb));
	dumb.width = 1;
	dumb.height = 1;
	dumb.bpp = 32;
	if (bufsync_gem_ioctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return -1;
	*handle = dumb.handle;
	return 0;
}

static inline int bufsync_gem_create_virtgpu(int drm, void *arg, __u32 *handle)
{
	struct drm_virtgpu_resource_create create;

	(void)arg;
	memset(&create, 0, sizeof(create));
	create.target = 2;	/* a texture of two dimensions */
	create.format = 2;	/* B8G8R8X8 */
	create.bind = 1 << 1;	/* a render target */
	create.width = 1;
	create.height = 1;
	create.depth = 1;
	create.array_size = 1;
	create.size = 4096;
	if (bufsync_gem_ioctl(drm, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &create))
		return -1;
	*handle = create.bo_handle;
	return 0;
}

static inline int bufsync_gem_create_amdgpu(int drm, void *arg, __u32 *handle)
{
	union drm_amdgpu_gem_create create;

	(void)arg;
	memset(&create, 0, sizeof(create));
	create.in.bo_size = 4096;
	create.in.domains = AMDGPU_GEM_DOMAIN_GTT;
	if (bufsync_gem_ioctl(drm, DRM_IOCTL_AMDGPU_GEM_CREATE, &create))
		return -1;
	*handle = create.out.handle;
	return 0;
}

/* Whichever of the above suits the driver; what is used if none is given */
static inline int bufsync_gem_create_any(int drm, void *arg, __u32 *handle)
{
	char name[16];

	if (bufsync_gem_driver(drm, name, sizeof(name)))
		return -1;
	if (!strcmp(name, "amdgpu"))
		return bufsync_gem_create_amdgpu(drm, arg, handle);
	if (!strcmp(name, "virtio_gpu"))
		return bufsync_gem_create_virtgpu(drm, arg, handle);
	return bufsync_gem_create_dumb(drm, arg, handle);
}

/* Returns an fd of the object's dma-buf. */
static inline int bufsync_gem_export(int drm, __u32 handle)
{
	struct drm_prime_handle prime;

	memset(&prime, 0, sizeof(prime));
	prime.handle = handle;
	prime.flags = DRM_CLOEXEC | DRM_RDWR;
	if (bufsync_gem_ioctl(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return -1;
	return prime.fd;
}

static inline int bufsync_gem_import(int drm, int dmabuf, __u32 *handle)
{
	struct drm_prime_handle prime;

	memset(&prime, 0, sizeof(prime));
	prime.fd = dmabuf;
	if (bufsync_gem_ioctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		return -1;
	*handle = prime.handle;
	return 0;
}

static inline int bufsync_gem_close(int drm, __u32 handle)
{
	struct drm_gem_close close_args;

	memset(&close_args, 0, sizeof(close_args));
	close_args.handle = handle;
	return bufsync_gem_ioctl(drm, DRM_IOCTL_GEM_CLOSE, &close_args);
}

/**
 * bufsync_gem_move - MOVE
 * @ctl:	/dev/drm_gem
 * @drm:	the DRM fd
 * @handle:	a handle
 * @new_handle:	the number that it shall have
 *
 * Return: 0, or -1 and errno as MOVE
 */
static inline int bufsync_gem_move(int ctl, int drm, __u32 handle,
				   __u32 new_handle)
{
	struct drm_gem_ctl_move_args args;

	memset(&args, 0, sizeof(args));
	args.size = sizeof(args);
	args.drm_fd = drm;
	args.handle = handle;
	args.new_handle = new_handle;
	return bufsync_gem_ioctl(ctl, DRM_GEM_CTL_IOC_MOVE, &args);
}

/* A number, and the index of the move that has it or shall have it */
struct bufsync_gem_slot {
	__u64 number;
	size_t move;
};

static inline int bufsync_gem_slot_cmp(const void *a, const void *b)
{
	const struct bufsync_gem_slot *x = (const struct bufsync_gem_slot *)a;
	const struct bufsync_gem_slot *y = (const struct bufsync_gem_slot *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static inline const struct bufsync_gem_slot *
bufsync_gem_slot_find(const struct bufsync_gem_slot *slots, size_t count,
		      __u64 number)
{
	struct bufsync_gem_slot key = { number, 0 };

	if (!count)
		return NULL;
	return (const struct bufsync_gem_slot *)
	       bsearch(&key, slots, count, sizeof(key), bufsync_gem_slot_cmp);
}

/* Sorts; EINVAL if a number is there twice. */
static inline int bufsync_gem_slots_sort(struct bufsync_gem_slot *slots,
					 size_t count)
{
	size_t i;

	qsort(slots, count, sizeof(*slots), bufsync_gem_slot_cmp);
	for (i = 1; i < count; i++) {
		if (slots[i].number == slots[i - 1].number) {
			errno = EINVAL;
			return -1;
		}
	}
	return 0;
}

/* What both ways work with: numbers as they were at the beginning, sorted. */
struct bufsync_gem_plan {
	struct bufsync_gem_move *moves;
	size_t count;
	struct bufsync_gem_slot *from, *to;
	__u32 highest;	/* new number */
};

static inline void bufsync_gem_plan_end(struct bufsync_gem_plan *plan)
{
	int error = errno;

	free(plan->from);
	free(plan->to);
	errno = error;
}

static inline int bufsync_gem_plan_make(struct bufsync_gem_plan *plan,
					struct bufsync_gem_move *moves,
					size_t count)
{
	size_t i;

	memset(plan, 0, sizeof(*plan));
	plan->moves = moves;
	plan->count = count;
	plan->from = (struct bufsync_gem_slot *)
		     malloc((count + 1) * sizeof(*plan->from));
	plan->to = (struct bufsync_gem_slot *)
		   malloc((count + 1) * sizeof(*plan->to));
	if (!plan->from || !plan->to)
		goto fail;
	for (i = 0; i < count; i++) {
		if (!moves[i].handle || !moves[i].new_handle ||
		    moves[i].handle > DRM_GEM_CTL_MAX_HANDLE ||
		    moves[i].new_handle > DRM_GEM_CTL_MAX_HANDLE) {
			errno = EINVAL;
			goto fail;
		}
		plan->from[i].number = moves[i].handle;
		plan->to[i].number = moves[i].new_handle;
		plan->from[i].move = i;
		plan->to[i].move = i;
		if (moves[i].new_handle > plan->highest)
			plan->highest = moves[i].new_handle;
	}
	if (!bufsync_gem_slots_sort(plan->from, count) &&
	    !bufsync_gem_slots_sort(plan->to, count))
		return 0;
fail:
	bufsync_gem_plan_end(plan);
	return -1;
}

static inline int bufsync_gem_move_one(int ctl, int drm,
				       struct bufsync_gem_move *move, __u32 to)
{
	if (bufsync_gem_move(ctl, drm, move->handle, to))
		return -1;
	move->handle = to;
	return 0;
}

/* Is all there that shall move, and room for it? Finds a number for cycles. */
static inline int bufsync_gem_plan_check(const struct bufsync_gem_plan *plan,
					 int ctl, int drm, __u32 *spare)
{
	struct bufsync_gem_slot *used = NULL;
	struct drm_gem_ctl_entry *list;
	const struct bufsync_gem_move *move;
	size_t n, i;
	int error = 0;

	if (bufsync_gem_list(ctl, drm, &list, &n))
		return -1;
	used = (struct bufsync_gem_slot *)malloc((n + 1) * sizeof(*used));
	if (!used)
		error = ENOMEM;
	for (i = 0; used && i < n; i++) {
		used[i].number = list[i].handle;
		used[i].move = 0;
	}
	for (i = 0; !error && i < plan->count; i++) {
		move = &plan->moves[i];
		if (!bufsync_gem_slot_find(used, n, move->handle))
			error = ENOENT;
	}
	for (i = 0; !error && i < plan->count; i++) {
		move = &plan->moves[i];
		if (bufsync_gem_slot_find(used, n, move->new_handle) &&
		    !bufsync_gem_slot_find(plan->from, plan->count,
					   move->new_handle))
			error = EEXIST;
	}
	if (!error) {
		*spare = n && list[n - 1].handle > plan->highest ?
			 list[n - 1].handle : plan->highest;
		if (++*spare > DRM_GEM_CTL_MAX_HANDLE)
			do {
				--*spare;
			} while (bufsync_gem_slot_find(used, n, *spare) ||
				 bufsync_gem_slot_find(plan->to, plan->count,
						       *spare));
	}
	free(used);
	free(list);
	errno = error;
	return error ? -1 : 0;
}

/**
 * bufsync_gem_restore_by_move - give handles other numbers, by MOVE
 * @ctl:	/dev/drm_gem
 * @drm:	the DRM fd
 * @moves:	which ones
 * @count:	how many
 *
 * In whatever order is needed: a number that another one of @moves still has is
 * waited for, and of those that wait for each other one gets a free number
 * meanwhile.
 *
 * Return: 0, or -1 and errno: what LIST and MOVE give, and
 *   EINVAL	a number is not possible, or there twice
 *   ENOMEM
 * EINVAL, ENOENT and EEXIST are found out before anything is moved.
 */
static inline int bufsync_gem_restore_by_move(int ctl, int drm,
					      struct bufsync_gem_move *moves,
					      size_t count)
{
	const struct bufsync_gem_slot *slot;
	struct bufsync_gem_move *last;
	struct bufsync_gem_plan plan;
	size_t *chain, n, i, j;
	__u32 spare = 0;
	int cycle, ret = -1;

	if (bufsync_gem_plan_make(&plan, moves, count))
		return -1;
	chain = (size_t *)malloc((count + 1) * sizeof(*chain));
	if (!chain || bufsync_gem_plan_check(&plan, ctl, drm, &spare))
		goto end;
	for (i = 0; i < count; i++) {
		if (moves[i].handle == moves[i].new_handle)
			continue;
		/* Who waits for whom, until one whose new number is free */
		for (n = 0, j = i;; j = slot->move) {
			chain[n++] = j;
			slot = bufsync_gem_slot_find(plan.from, count,
						     moves[j].new_handle);
			if (!slot || slot->move == i ||
			    moves[slot->move].handle != moves[j].new_handle)
				break;
		}
		/* Or the first again: then the last one steps aside. */
		cycle = slot && slot->move == i;
		last = &moves[j];
		if (bufsync_gem_move_one(ctl, drm, last,
					 cycle ? spare : last->new_handle))
			goto end;
		for (n--; n--;)
			if (bufsync_gem_move_one(ctl, drm, &moves[chain[n]],
						 moves[chain[n]].new_handle))
				goto end;
		if (cycle &&
		    bufsync_gem_move_one(ctl, drm, last, last->new_handle))
			goto end;
	}
	ret = 0;
end:
	free(chain);
	bufsync_gem_plan_end(&plan);
	return ret;
}

/* What is held while objects are without handles */
struct bufsync_gem_plugs {
	int *fds;		/* one for each move, -1 */
	__u32 *dummies;		/* handles, 0 */
	size_t count, room;
	bufsync_gem_create_fn create;
	void *arg;
};

static inline int bufsync_gem_plugs_make(struct bufsync_gem_plugs *plugs,
					 size_t count)
{
	size_t i;

	plugs->fds = (int *)malloc((count + 1) * sizeof(*plugs->fds));
	if (!plugs->fds)
		return -1;
	for (i = 0; i < count; i++)
		plugs->fds[i] = -1;
	return 0;
}

static inline void bufsync_gem_plugs_end(struct bufsync_gem_plugs *plugs,
					 int drm, size_t count)
{
	int error = errno;
	size_t i;

	for (i = 0; i < plugs->count; i++)
		if (plugs->dummies[i])
			bufsync_gem_close(drm, plugs->dummies[i]);
	for (i = 0; plugs->fds && i < count; i++)
		if (plugs->fds[i] >= 0)
			close(plugs->fds[i]);
	free(plugs->dummies);
	free(plugs->fds);
	errno = error;
}

/* Makes one dummy; tells its number. */
static inline int bufsync_gem_plug(struct bufsync_gem_plugs *plugs, int drm,
				   __u32 *handle)
{
	__u32 *larger;

	if (plugs->count == plugs->room) {
		plugs->room = 2 * plugs->room + 64;
		larger = (__u32 *)realloc(plugs->dummies,
					  plugs->room * sizeof(*larger));
		if (!larger)
			return -1;
		plugs->dummies = larger;
	}
	if (plugs->create(drm, plugs->arg, handle))
		return -1;
	plugs->dummies[plugs->count++] = *handle;
	return 0;
}

/* Exports all; no two may be the same object. */
static inline int bufsync_gem_export_all(const struct bufsync_gem_plan *plan,
					 struct bufsync_gem_plugs *plugs,
					 int drm)
{
	struct bufsync_gem_slot *inos;
	struct stat st;
	size_t i;
	int ret = -1;

	inos = (struct bufsync_gem_slot *)
	       malloc((plan->count + 1) * sizeof(*inos));
	if (!inos)
		return -1;
	for (i = 0; i < plan->count; i++) {
		plugs->fds[i] = bufsync_gem_export(drm, plan->moves[i].handle);
		if (plugs->fds[i] < 0 || fstat(plugs->fds[i], &st))
			goto end;
		inos[i].number = st.st_ino;
		inos[i].move = i;
	}
	ret = bufsync_gem_slots_sort(inos, plan->count);
	if (ret)
		errno = EBUSY;
end:
	free(inos);
	return ret;
}

/* Fills the holes up to the highest new number; looks whether all are free. */
static inline int bufsync_gem_fill(const struct bufsync_gem_plan *plan,
				   struct bufsync_gem_plugs *plugs, int drm)
{
	__u32 handle, last = 0;
	size_t i, at = 0;

	do {
		if (bufsync_gem_plug(plugs, drm, &handle))
			return -1;
		if (handle <= last) {
			/* Not the lowest that is free: this does not work. */
			errno = EOPNOTSUPP;
			return -1;
		}
		last = handle;
	} while (last < plan->highest);
	for (i = 0; i < plan->count; i++) {
		if (bufsync_gem_slot_find(plan->from, plan->count,
					  plan->to[i].number))
			continue;
		while (plugs->dummies[at] < plan->to[i].number)
			at++;
		if (plugs->dummies[at] != plan->to[i].number) {
			errno = EEXIST;
			return -1;
		}
	}
	return 0;
}

static inline int bufsync_gem_stays(const struct bufsync_gem_move *move)
{
	return move->handle == move->new_handle;
}

/* Closes the objects, and the dummies where objects are to go. */
static inline int bufsync_gem_make_room(const struct bufsync_gem_plan *plan,
					struct bufsync_gem_plugs *plugs,
					int drm)
{
	size_t i;

	for (i = 0; i < plugs->count; i++) {
		if (plugs->dummies[i] <= plan->highest &&
		    !bufsync_gem_slot_find(plan->to, plan->count,
					   plugs->dummies[i]))
			continue;
		if (bufsync_gem_close(drm, plugs->dummies[i]))
			return -1;
		plugs->dummies[i] = 0;
	}
	for (i = 0; i < plan->count; i++) {
		if (bufsync_gem_stays(&plan->moves[i]))
			continue;
		if (bufsync_gem_close(drm, plan->moves[i].handle))
			return -1;
		plan->moves[i].handle = 0;
	}
	return 0;
}

/*
 * What is free now are the old numbers and the new ones. Taken in their order, each
 * is the lowest when it is its turn: an object, or a dummy, gets it.
 */
static inline int bufsync_gem_fill_in(const struct bufsync_gem_plan *plan,
				      struct bufsync_gem_plugs *plugs, int drm)
{
	struct bufsync_gem_move *move;
	size_t f = 0, t = 0;
	__u32 handle, number;

	while (t < plan->count) {
		if (f < plan->count &&
		    plan->from[f].number < plan->to[t].number) {
			number = (__u32)plan->from[f++].number;
			if (bufsync_gem_slot_find(plan->to, plan->count, number))
				continue;
			if (bufsync_gem_plug(plugs, drm, &handle))
				return -1;
			if (handle != number)
				goto disturbed;
			continue;
		}
		move = &plan->moves[plan->to[t++].move];
		if (bufsync_gem_stays(move))
			continue;
		if (bufsync_gem_import(drm, plugs->fds[move - plan->moves],
				       &move->handle))
			return -1;
		if (!bufsync_gem_stays(move))
			goto disturbed;
	}
	return 0;

disturbed:
	errno = EBUSY;
	return -1;
}

/**
 * bufsync_gem_restore_by_import - give handles other numbers, without the module
 * @drm:	the DRM fd
 * @moves:	which ones
 * @count:	how many
 * @create:	makes a dummy; NULL: bufsync_gem_create_any()
 * @arg:	for @create
 *
 * See the beginning of this file for what that cannot do.
 *
 * Return: 0, or -1 and errno: what exporting, importing and @create give, and
 *   EINVAL	a number is not possible, or there twice
 *   ENOENT	there is no such handle
 *   EEXIST	a new number is in use by what is not in @moves
 *   EBUSY	two of the handles are of the same object, or another thread has opened
 *		or closed handles meanwhile
 *   EOPNOTSUPP	new handles do not get the lowest number
 *   EMFILE	as many fds are not allowed
 *   ENOMEM
 * Up to where the objects are closed an error has changed nothing. After that they are
 * imported, wherever that may be.
 */
static inline int
bufsync_gem_restore_by_import(int drm, struct bufsync_gem_move *moves,
			      size_t count, bufsync_gem_create_fn create,
			      void *arg)
{
	struct bufsync_gem_plugs plugs;
	struct bufsync_gem_plan plan;
	size_t i;
	int error, ret = -1;

	if (!count)
		return 0;
	if (bufsync_gem_plan_make(&plan, moves, count))
		return -1;
	memset(&plugs, 0, sizeof(plugs));
	plugs.create = create ? create : bufsync_gem_create_any;
	plugs.arg = arg;
	if (bufsync_gem_plugs_make(&plugs, count) ||
	    bufsync_gem_export_all(&plan, &plugs, drm) ||
	    bufsync_gem_fill(&plan, &plugs, drm))
		goto end;
	if (!bufsync_gem_make_room(&plan, &plugs, drm) &&
	    !bufsync_gem_fill_in(&plan, &plugs, drm)) {
		ret = 0;
		goto end;
	}
	error = errno;
	for (i = 0; i < count; i++)
		if (!moves[i].handle)
			bufsync_gem_import(drm, plugs.fds[i], &moves[i].handle);
	errno = error;
end:
	bufsync_gem_plugs_end(&plugs, drm, count);
	bufsync_gem_plan_end(&plan);
	return ret;
}

/**
 * bufsync_gem_restore - give handles other numbers, by MOVE if it can, else without
 * @ctl:	/dev/drm_gem, or -1
 * @drm:	the DRM fd
 * @moves:	which ones
 * @count:	how many
 * @create:	makes a dummy, see bufsync_gem_restore_by_import()
 * @arg:	for @create
 *
 * Without the module where that is not there, does not know the kernel or the
 * driver, or does not let the caller.
 *
 * Return: 0, or -1 and errno: as the one that was used
 */
static inline int bufsync_gem_restore(int ctl, int drm,
				      struct bufsync_gem_move *moves,
				      size_t count,
				      bufsync_gem_create_fn create, void *arg)
{
	if (ctl >= 0) {
		if (!bufsync_gem_restore_by_move(ctl, drm, moves, count))
			return 0;
		switch (errno) {
		case EPERM:
		case ENOTTY:
		case EOPNOTSUPP:
		case EUCLEAN:
			break;
		default:
			return -1;
		}
	}
	return bufsync_gem_restore_by_import(drm, moves, count, create, arg);
}

#endif /* _BUFSYNC_GEM_RESTORE_H */
