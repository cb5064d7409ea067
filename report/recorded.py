#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare figures with those that are recorded: none may have become worse.

recorded.py RECORDED JSON [record]

RECORDED is bench/recorded.toml, a table a row, of FIGURE = value; JSON is what samples.py
made of a row of make bench QUICK=1. Says what became worse by more than TOLERANCE and the
figure's noise, and what is missing in one of them; the last line is a sum, the exit
status 1 if it is not all good.
With "record" writes the row's values to RECORDED instead.
"""
import json
import sys
import tomllib

TOLERANCE = 0.03

HEAD = """# SPDX-License-Identifier: GPL-2.0-only
#
# What "make bench QUICK=1 RECORD=1" has seen, and "make bench QUICK=1" compares with.
"""


def key(figure):
    return ' '.join(str(part) for part in (figure['module'], figure['name'], figure['n'],
                                           figure['from']) if part is not None)


def values(bench):
    """{key: figure}"""
    return {key(figure): figure for figure in bench['figures']}


def worse(value, before, better):
    """By what part; below 0 where it is better."""
    if better == 'more':
        value, before = before, value
    return value / before - 1 if before else float(value > 0)


def compare(recorded, measured):
    """(number of good ones, complaints)"""
    complaints = [f'{name}: recorded, and not measured' for name in recorded
                  if name not in measured]
    good = 0
    for name, figure in measured.items():
        value = figure['value']
        if name not in recorded:
            complaints.append(f'{name}: {value:.4f}, and not recorded')
        elif (by := worse(value, recorded[name], figure['better'])) > TOLERANCE + figure['noise']:
            complaints.append(f'{name}: {value:.4f}, recorded {recorded[name]:.4f}: '
                              f'{100 * by:.1f} % worse')
        else:
            good += 1
    return good, complaints


def write(path, recorded):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(HEAD)
        for row, found in sorted(recorded.items()):
            file.write(f'\n["{row}"]\n')
            file.writelines(f'"{name}" = {value}\n' for name, value in sorted(found.items()))


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ['record']):
        sys.exit(__doc__)
    try:
        with open(sys.argv[1], 'rb') as file:
            recorded = tomllib.load(file)
    except FileNotFoundError:
        recorded = {}
    with open(sys.argv[2], encoding='utf-8') as file:
        bench = json.load(file)
    measured = values(bench)
    if sys.argv[3:]:
        recorded[bench['row']] = {name: float(f'{figure["value"]:.5g}')
                                  for name, figure in measured.items()}
        write(sys.argv[1], recorded)
        return
    good, complaints = compare(recorded.get(bench['row'], {}), measured)
    for complaint in complaints:
        print('WORSE', complaint)
    print(f'{good} passed, {len(complaints)} failed, 0 skipped')
    sys.exit(bool(complaints))


if __name__ == '__main__':
    main()
