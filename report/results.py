# SPDX-License-Identifier: GPL-2.0-only
"""What other runs have left: out/bench, out/check, out/coverage."""
import json
import os
import re

# Of the columns of the table of tests; all else of a row is "other".
MODULES = ('syncobj', 'dma_heap_memcg', 'vfio_pci_dmabuf', 'drm_gem_ctl')

COVERAGE = re.compile(
    r'(\S+)\s+lines (?:-|(\d+) of (\d+) \S+ \S+)\s+branches (?:-|(\d+) of (\d+) \S+ \S+?)(?:: (.*))?$')


def row_key(name):
    """6.1 before 6.12 before 7.3, and what is no kernel behind them."""
    return (not name[0].isdigit(),
            [int(word) if word.isdigit() else -1 for word in re.split(r'[.-]', name)], name)


def rows_in(path, wanted):
    """The directories in path that have the file wanted."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return []
    return sorted((name for name in names if os.path.exists(os.path.join(path, name, wanted))),
                  key=row_key)


def bench(path):
    """Of each out/bench/ROW.json its content."""
    try:
        names = [name[:-5] for name in os.listdir(path) if name.endswith('.json')]
    except FileNotFoundError:
        return []
    rows = []
    for name in sorted(names, key=row_key):
        with open(os.path.join(path, name + '.json'), encoding='utf-8') as file:
            rows.append(json.load(file))
    return rows


def read(*path):
    try:
        with open(os.path.join(*path), encoding='utf-8', errors='replace') as file:
            return file.read().strip()
    except FileNotFoundError:
        return ''


class Row:
    """A row of make check."""

    def __init__(self, path, name):
        self.name = name
        self.kernel, self.seconds, self.verdict = (
            read(path, name, what) for what in ('kernel', 'seconds', 'verdict'))
        self.tests = []         # (status, collection, program, test, text)
        for line in read(path, name, 'results').splitlines():
            status, test, *text = line.split('\t', 2)
            words = test.split(':', 2)
            # of selftests "collection:program:test" or "collection:program", else "what:test"
            program = words[1] if words[0] in MODULES and len(words) > 1 else words[0]
            self.tests.append((status, words[0], program, test, text[0] if text else ''))

    def count(self, status, collection=None, program=None):
        return sum(1 for test in self.tests if test[0] == status and
                   (collection is None or column(test[1]) == collection) and
                   (program is None or test[2] == program))

    def failures(self):
        return [test for test in self.tests if test[0] == 'fail']


def column(collection):
    return collection if collection in MODULES else 'other'


def check(path):
    # One without a verdict was interrupted: that must be seen, too.
    return [Row(path, name) for name in rows_in(path, 'kernel')]


def programs(rows):
    """(column, program) of all rows' selftests, in order."""
    seen = {(column(test[1]), test[2]) for row in rows for test in row.tests
            if column(test[1]) != 'other'}
    return sorted(seen, key=lambda key: (MODULES.index(key[0]), key[1]))


def coverage(path):
    """[(module, lines that ran, of, branches taken, of, what make coverage complains of)]"""
    found = []
    for line in read(path, 'summary').splitlines():
        if match := COVERAGE.match(line):
            module, *counts, complaint = match.groups()
            found.append((module, *(int(count or 0) for count in counts), complaint or ''))
    return found
