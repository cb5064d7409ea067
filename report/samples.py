#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make JSON of the samples that the programs in bench/ print (bench/samples.h).

samples.py FIGURES [wall=WALL] KEY=VALUE... <LINES >JSON

FIGURES is bench/figures.toml. WALL has such lines of a boot that does not count instructions:
nanoseconds, for information. Other KEYs (row, kernel, tree, date, seconds) are kept as they
are.
"""
import json
import statistics
import sys

import figures

PREFIX = '@bench'


class BadLine(Exception):
    pass


def side(what, samples):
    """One side of a figure, with what is said of its samples."""
    median = statistics.median(samples)
    return {
        'what': what,
        'samples': samples,
        'smallest': min(samples),
        'median': median,
        'spread': (max(samples) - min(samples)) / median if median else 0.0,
    }


def numbers(text):
    return [float(word) if '.' in word or 'e' in word else int(word) for word in text.split(' ')]


def compare(module, name, table, n, ours, other, target):
    """A figure: OURS, or OURS / OTHER, against its target."""
    of = table.get('of', 'median')
    value, ratio = ours[of], None
    if other:
        if other[of] <= 0:
            raise BadLine(f'{module} {name}: nothing to compare with: {other[of]}')
        value = ratio = ours[of] / other[of]
    bound = figures.limit(target)
    met = figures.met(value, bound)
    return {
        'module': module, 'name': name, 'title': table['title'],
        'unit': table.get('unit', 'instructions'),
        'n': n, 'n_unit': table.get('n'), 'from': target.get('from'),
        'better': table.get('better', 'less'), 'of': of, 'noise': table.get('noise', 0),
        'ours': ours, 'other': other, 'ratio': ratio, 'value': value,
        'target': bound, 'met': met,
        'reason': target.get('reason') if met is False else None,
    }


def split(lines, known):
    """(module, name, n, ours, other) of each line"""
    for line in lines:
        fields = line.rstrip('\r\n').split('\t')
        try:
            if fields[0] != PREFIX or len(fields) != 6:
                raise ValueError('not six fields')
            module, name = fields[1:3]
            table = known[module][name]
            n = None if fields[3] == '-' else int(fields[3])
            if (n is None) != ('n' not in table):
                raise ValueError('N, or none, unlike figures.toml')
            if (fields[5] == '-') != ('other' not in table):
                raise ValueError('two sides, or one, unlike figures.toml')
            ours = side(table['ours'], numbers(fields[4]))
            other = None if fields[5] == '-' else side(table['other'], numbers(fields[5]))
        except (ValueError, KeyError, IndexError) as error:
            raise BadLine(f'{line.strip()!r}: {error!r}') from error
        yield module, name, n, ours, other


def add_wall(figures_, lines, known):
    """To the figures that count instructions what the same took in nanoseconds."""
    walls = {at[:3]: at[3:] for at in split(lines, known)}
    for figure in figures_:
        wall = walls.get((figure['module'], figure['name'], figure['n']))
        if wall and figure['unit'] == 'instructions' and figure['from'] is None:
            figure['wall'] = [which and which[figure['of']] for which in wall]


def parse(lines, known, row):
    """The figures of these lines, in their order; growths behind the curve they are of."""
    found, curves = [], {}
    for module, name, n, ours, other in split(lines, known):
        table = known[module][name]
        curve = curves.setdefault((module, name), {})
        if n in curve:
            raise BadLine(f'{module} {name} {n}: twice')
        curve[n] = ours
        found.append(compare(module, name, table, n, ours, other,
                             figures.target_of(table, row, n)))
    for (module, name), curve in curves.items():
        table = known[module][name]
        for target in figures.growths(table, row):
            if target['n'] in curve and target['from'] in curve:
                found.append(compare(module, name, table, target['n'], curve[target['n']],
                                     curve[target['from']], target))
    return found


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    head = dict(arg.split('=', 1) for arg in sys.argv[2:])
    try:
        known = figures.load(sys.argv[1])
        found = parse(sys.stdin, known, head['row'])
        if wall := head.pop('wall', None):
            with open(wall, encoding='utf-8') as file:
                add_wall(found, file, known)
    except (BadLine, ValueError) as error:
        sys.exit(f'samples: {error}')
    if not found:
        sys.exit('samples: there are none')
    json.dump({**head, 'figures': found}, sys.stdout, indent=1)
    print()


if __name__ == '__main__':
    main()
