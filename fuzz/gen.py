#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make C and syzlang of the description uapi.txt, whose head has its grammar.

gen.py h|c        the fuzzer's table on stdout; the C compiler compares it with the headers
gen.py syz DIR    DIR/bufsync_MODULE.txt for syzkaller
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NOTE = 'Made of fuzz/uapi.txt by fuzz/gen.py.'
SCALARS = ('point', 'timeout', 'expiry', 'handle', 'bytes', 'pages', 'offset', 'small',
           'num', 'pad', 'len', 'size')
MAX_FIELDS = 14         # values that a call has in fuzz.h


class Field:
    def __init__(self, words):
        self.name, self.type, self.meaning, *self.args = words
        self.size = int(self.type[1:]) // (1 if self.type[0] == 'c' else 8)
        self.align = 1 if self.type[0] == 'c' else self.size


class Entry:
    """An open, an ioctl or a call."""

    def __init__(self, what, module, name):
        self.what, self.module, self.name, self.symbol = what, module, name, name
        self.fields, self.words, self.syz, self.kind, self.struct = [], {}, None, None, None
        self.paths = []


class Description:
    def __init__(self, path):
        self.entries, self.structs, self.includes, self.kinds = [], {}, {}, []
        module, fields = '-', None
        for number, line in enumerate(open(path, encoding='ascii'), 1):
            words = line.split('#')[0].split()
            if not words:
                continue
            try:
                if line[0].isspace():
                    fields.append(Field(words))
                elif words[0] == 'module':
                    module = words[1]
                elif words[0] == 'include':
                    self.includes.setdefault(module, []).append(words[1])
                elif words[0] == 'struct':
                    fields = self.structs[words[1]] = []
                elif words[0] == 'syz':
                    self.entries[-1].syz = line[4:].strip()
                else:
                    fields = self.entry(module, words).fields
            except (IndexError, ValueError, AttributeError):
                sys.exit(f'{path}:{number}: not understood: {line.strip()}')
        for entry in self.entries:
            for field in entry.fields:
                if field.meaning in ('fd', 'outfd'):
                    for kind in field.args[0].split('|'):
                        self.kind(kind)

    def kind(self, name):
        if name not in self.kinds and name != 'any':
            self.kinds.append(name)
        return name

    def entry(self, module, words):
        what, name, *rest = words
        entry = Entry(what, module, name)
        if what == 'open':
            entry.name = 'open_' + name
            entry.kind, entry.paths = self.kind(name), [w for w in rest if w[0] == '/']
            rest = ['shared', 'weight=1', 'ret=' + name, *rest[len(entry.paths):]]
            entry.fields.append(Field(['path', 'u32', 'num']))
        elif what == 'ioctl':
            entry.dir, entry.type, entry.nr, entry.kind, entry.struct, *rest = rest
            self.kind(entry.kind)
        elif what != 'call':
            raise ValueError
        for word in rest:
            key, _, value = word.partition('=')
            entry.words[key] = value or True
        if 'name' in entry.words:
            entry.name += '_' + entry.words['name']
        if 'ret' in entry.words:
            self.kind(entry.words['ret'])
        self.entries.append(entry)
        return entry


def layout(fields):
    """Offset of each field, and the size of all."""
    at, offsets = 0, []
    for f in fields:
        at = -(-at // f.align) * f.align
        offsets.append(at)
        at += f.size
    align = max((f.align for f in fields), default=1)
    return offsets, -(-at // align) * align


def c_name(name):
    return re.sub(r'\W+', '_', name).strip('_')


def c_asserts(struct, fields, whole):
    offsets, size = layout(fields)
    for f, at in zip(fields, offsets):
        yield f'_Static_assert(offsetof(struct {struct}, {f.name}) == {at} && ' \
              f'sizeof(((struct {struct} *)0)->{f.name}) == {f.size}, "{struct}.{f.name}");'
    if whole:
        yield f'_Static_assert(sizeof(struct {struct}) == {size}, "size of {struct}");'


def c_fields(desc, name, struct, fields):
    """Definition of an array of fields; what the kernel only writes is left out."""
    kept = [f for f in fields if f.meaning != 'out']
    if len(kept) > MAX_FIELDS:
        sys.exit(f'{name}: more than {MAX_FIELDS} fields')
    if not kept:
        return [], '0', 0
    lines = [f'static const struct field f_{name}[] = {{']
    offsets = dict(zip((f.name for f in fields), layout(fields)[0]))
    lists = []
    for f in kept:
        at = f'offsetof(struct {struct}, {f.name})' if struct else '0'
        init = [f'.name = "{f.name}"', f'.off = {at}', f'.size = {f.size}']
        meaning = f.meaning
        if meaning in ('flags', 'enum', 'const'):
            lists.append(f'static const uint64_t s_{name}_{c_name(f.name)}[] = '
                         f'{{ {", ".join(f.args)} }};')
            init += [f'.set = s_{name}_{c_name(f.name)}', f'.nset = {len(f.args)}']
            meaning = 'flags' if meaning == 'flags' else 'enum'
        elif meaning in ('fd', 'outfd'):
            kinds = f.args[0].split('|')
            init += [f'.kinds = {{ {", ".join("K_" + k for k in kinds)} }}', f'.nkinds = {len(kinds)}']
        elif meaning == 'array':
            element, length = f.args[:2]
            index = [k.name for k in kept].index(length)
            init += [f'.ref = {index}', f'.opt = {int("opt" in f.args)}']
            if element.startswith('fd:'):
                init += ['.elem = E_FD', f'.kinds = {{ K_{element[3:]} }}', '.nkinds = 1']
            elif element in desc.structs:
                init += ['.elem = E_STRUCT', f'.sub = &sub_{element}']
            else:
                init += [f'.elem = E_{element.upper()}']
        elif meaning not in SCALARS:
            sys.exit(f'{name}.{f.name}: meaning {meaning}?')
        if meaning == 'len':
            arrays = [i for i, k in enumerate(kept) if k.meaning == 'array' and k.args[1] == f.name]
            init += [f'.ref = {arrays[0]}']
        lines.append(f'\t{{ {", ".join(init)}, .type = T_{meaning.upper()} }},')
        assert f.name in offsets
    return lists + lines + ['};'], f'f_{name}', len(kept)


def make_h(desc):
    print(f'/* SPDX-License-Identifier: GPL-2.0-only */\n/* {NOTE} */')
    print('enum kind {\n\tK_any,')
    for kind in desc.kinds:
        print(f'\tK_{kind},')
    print('\tNKINDS,\n};\n')
    print(f'#define NCALLS {len(desc.entries)}')
    for entry in desc.entries:
        if entry.what == 'call':
            print(f'long op_{entry.name}(struct ctx *x, const uint64_t *v);')


def missing(desc):
    """Calls that our headers have and the description has not."""
    known = {word for e in desc.entries for f in e.fields for arg in f.args for word in arg.split('|')}
    known |= {e.symbol for e in desc.entries}
    for module, headers in desc.includes.items():
        for header in headers if module != '-' else []:
            with open(os.path.join(HERE, '../include/uapi', header), encoding='utf-8') as text:
                names = re.findall(r'^#define\s+(?:(\w+)[\s\\]+_IO[WR]*\(|'
                                   r'(VFIO_DMABUF_FEATURE_(?!BIT)\w+))', text.read(), re.M)
            for name in (a or b for a, b in names):
                if name not in known:
                    yield f'{header}: {name}'


def make_c(desc):
    lacking = list(missing(desc))
    if lacking:
        sys.exit('not in uapi.txt: ' + ', '.join(lacking))
    print(f'/* SPDX-License-Identifier: GPL-2.0-only */\n/* {NOTE} */')
    print('#include "fuzz.h"')
    for includes in desc.includes.values():
        for header in includes:
            print(f'#include <{header}>')
    print('#include "structs.h"\n')
    print('const char *const kind_names[NKINDS] = {\n\t"any",')
    for kind in desc.kinds:
        print(f'\t"{kind}",')
    print('};\n')
    for struct, fields in desc.structs.items():
        print('\n'.join(c_asserts(struct, fields, True)))
        lines, ref, count = c_fields(desc, struct, struct, fields)
        print('\n'.join(lines))
        print(f'static const struct sub sub_{struct} = {{ "{struct}", sizeof(struct {struct}), '
              f'{ref}, {count} }};\n')
    table = []
    for e in desc.entries:
        struct = e.struct if e.struct not in (None, '-') else None
        init = [f'.name = "{e.name}"', f'.symbol = "{e.symbol}"', f'.weight = {e.words.get("weight", 4)}',
                f'.module = "{e.module}"']
        if struct:
            print('\n'.join(c_asserts(struct, e.fields, e.module != '-')))
            init += [f'.size = sizeof(struct {struct})', f'.str = "{struct}"']
        if e.what == 'ioctl':
            direction, _, size = e.dir.partition(':')
            size = size or (f'sizeof(struct {struct})' if direction != 'IO' else '0')
            bits = {'IO': 0, 'IOW': 1, 'IOR': 2, 'IOWR': 3}[direction]
            print(f'_Static_assert({e.symbol} == _IOC({bits}U, {e.type}, {e.nr}, {size}), "{e.symbol}");')
            init += [f'.request = {e.symbol}', f'.kind = K_{e.kind}', '.what = C_IOCTL']
        elif e.what == 'open':
            print(f'static const char *const p_{e.name}[] = {{ '
                  f'{", ".join(chr(34) + p + chr(34) for p in e.paths)} }};')
            init += [f'.paths = p_{e.name}', f'.npaths = {len(e.paths)}', '.what = C_OPEN']
        else:
            init += [f'.op = op_{e.name}', '.what = C_OP']
        lines, ref, count = c_fields(desc, c_name(e.name), struct, e.fields)
        print('\n'.join(lines))
        init += [f'.fields = {ref}', f'.nfields = {count}']
        if 'ret' in e.words:
            init += [f'.ret = K_{e.words["ret"]}', '.has_ret = 1']
        for word in ('off', 'shared'):
            if word in e.words:
                init += [f'.{word} = 1']
        init += [f'.ours = {int(e.module != "-")}']
        table.append(f'\t{{ {", ".join(init)} }},')
        print()
    print('const struct desc descs[NCALLS] = {')
    print('\n'.join(table))
    print('};')


# syzlang

def syz_kind(kind):
    return 'fd' if kind == 'any' else 'fd_bufsync_' + kind


class Syz:
    """One module's file, and the resources that it needs."""

    def __init__(self, desc, module):
        self.desc, self.module = desc, module
        self.sets, self.calls, self.types, self.used, self.unions = [], [], [], [], {}

    def resource(self, kind):
        if kind not in self.used and kind not in ('any', 'self'):
            self.used.append(kind)
        return syz_kind(kind)

    def flags(self, name, values):
        values = list(dict.fromkeys(values))
        # An expression is no constant of syzlang's: its names are.
        names = []
        for value in values:
            names += [v for v in value.split('|') if v not in names]
        text = f'{name} = {", ".join(names)}'
        if text not in self.sets:
            self.sets.append(text)
        return name

    def fd(self, args):
        kinds = list(dict.fromkeys(args.split('|')))
        if len(kinds) == 1:
            return self.resource(kinds[0])
        name = 'bufsync_' + '_'.join(kinds)
        lines = [f'{name} [']
        for kind in kinds:
            if kind == 'self':
                lines.append('\tself\tflags[bufsync_self, int32]')
                self.flags('bufsync_self', ['0', '-1', '-10000', '-10001'])
            else:
                lines.append(f'\t{kind}\t{self.resource(kind)}')
        self.unions[name] = '\n'.join(lines + [']'])
        return name

    def field(self, owner, f, fields):
        width = 'int32' if f.size == 4 else 'int64'
        if f.type[0] == 'c':
            return f'array[int8, {f.size}]'
        if f.meaning == 'fd':
            return self.fd(f.args[0])
        if f.meaning == 'outfd':
            return self.resource(f.args[0]) + '\t(out)'
        if f.meaning == 'array':
            element = f.args[0]
            direction, of = 'in', 'int64'
            if element.startswith('fd:'):
                of = self.resource(element[3:])
            elif element in self.desc.structs:
                of = element
                self.struct(element, self.desc.structs[element])
            elif element in ('status', 'bytes'):
                direction, of = 'out', {'status': 'int32', 'bytes': 'int8'}[element]
            return f'ptr64[{direction}, array[{of}]{", opt" if "opt" in f.args else ""}]'
        if f.meaning == 'len':
            arrays = [k for k in fields if k.meaning == 'array' and k.args[1] == f.name]
            return f'len[{arrays[0].name}, {width}]'
        if f.meaning == 'size':
            return f'bytesize[parent, {width}]'
        if f.meaning in ('flags', 'enum'):
            return f'flags[{self.flags(c_name(owner + "_" + f.name), f.args)}, {width}]'
        if f.meaning in ('pad', 'const'):
            return f'const[{f.args[0] if f.args else 0}, {width}]'
        if f.meaning == 'out':
            return f'{width}\t(out)'
        return width

    def struct(self, name, fields):
        text = f'{name} {{\n' + ''.join(
            f'\t{c_name(f.name)}\t{self.field(name, f, fields)}\n' for f in fields) + '}'
        if text not in self.types:
            self.types.append(text)

    def entry(self, e):
        ret = e.words.get('ret')
        tail = f' {self.resource(ret)}' if ret else ''
        if e.syz:
            self.calls.append(e.syz)
            self.resource(ret)
        elif e.what == 'open':
            for i, path in enumerate(e.paths):
                self.calls.append(f'openat$bufsync_{e.kind}{i or ""}(fd const[AT_FDCWD], file ptr[in, '
                                  f'string["{path}"]], flags const[O_RDWR], mode const[0]) '
                                  f'{self.resource(e.kind)}')
        elif e.what == 'ioctl':
            arg = 'const[0]'
            if e.struct != '-':
                # Structs of one name may have fields of several meanings.
                struct = c_name(e.struct + '_' + e.name.rsplit('_', 1)[-1].lower())
                self.struct(struct, e.fields)
                arg = f'ptr[inout, {struct}]'
            self.calls.append(f'ioctl${e.name}(fd {self.resource(e.kind)}, '
                              f'cmd const[{e.symbol}], arg {arg}){tail}')

    def write(self, path):
        for e in self.desc.entries:
            if e.module == self.module:
                self.entry(e)
        # Providers of what is used here and made elsewhere.
        made = set()
        for kind in self.used:
            made.add(kind)
        with open(path, 'w', encoding='ascii') as out:
            print(f'# SPDX-License-Identifier: GPL-2.0-only\n# {NOTE}\n', file=out)
            headers = ['uapi/linux/fcntl.h'] + self.desc.includes.get(self.module, [])
            print('\n'.join(f'include <{h}>' for h in headers), file=out)
            print(file=out)
            print('\n'.join(self.calls), file=out)
            for text in list(self.unions.values()) + self.types:
                print(f'\n{text}', file=out)
            if self.sets:
                print('\n' + '\n'.join(self.sets), file=out)
        return self.used


def make_syz(desc, where):
    used = []
    for module in list(dict.fromkeys(e.module for e in desc.entries)):
        if module == '-':
            continue
        used += Syz(desc, module).write(os.path.join(where, f'bufsync_{module}.txt'))
    # Resources, and who makes those of other subsystems. What syzkaller has no
    # call for here, it takes any fd for.
    with open(os.path.join(where, 'bufsync.txt'), 'w', encoding='ascii') as out:
        print(f'# SPDX-License-Identifier: GPL-2.0-only\n# {NOTE}\n', file=out)
        print('include <uapi/linux/fcntl.h>\ninclude <uapi/linux/eventfd.h>\n'
              'include <uapi/linux/vfio.h>\n', file=out)
        for kind in dict.fromkeys(used):
            print(f'resource {syz_kind(kind)}[fd]', file=out)
        print(file=out)
        for e in desc.entries:
            kind = e.words.get('ret')
            if e.module != '-' or kind not in used:
                continue
            if e.syz:
                print(e.syz, file=out)
            elif e.what == 'open':
                syz = Syz(desc, '-')
                syz.entry(e)
                print('\n'.join(syz.calls), file=out)
        print('\nbufsync_eventfd_flags = EFD_NONBLOCK, EFD_SEMAPHORE, EFD_CLOEXEC', file=out)


def main():
    desc = Description(os.path.join(HERE, 'uapi.txt'))
    if sys.argv[1:] == ['h']:
        make_h(desc)
    elif sys.argv[1:] == ['c']:
        make_c(desc)
    elif len(sys.argv) == 3 and sys.argv[1] == 'syz':
        make_syz(desc, sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main()
