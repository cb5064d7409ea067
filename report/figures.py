# SPDX-License-Identifier: GPL-2.0-only
"""bench/figures.toml: what the figures are, and their targets. Its head has the grammar."""
import fnmatch
import tomllib

KEYS = {'title', 'ours', 'other', 'n', 'unit', 'of', 'better', 'noise', 'target'}
TARGET_KEYS = {'at_most', 'at_least', 'n', 'rows', 'from', 'reason'}


def load(path):
    """{MODULE: {FIGURE: its table}}; what is misspelt there is an error, not silence."""
    with open(path, 'rb') as file:
        modules = tomllib.load(file)
    for module, figures in modules.items():
        for name, figure in figures.items():
            where = f'{path}: {module}.{name}'
            if unknown := set(figure) - KEYS:
                raise ValueError(f'{where}: unknown: {", ".join(sorted(unknown))}')
            if missing := {'title', 'ours'} - set(figure):
                raise ValueError(f'{where}: missing: {", ".join(sorted(missing))}')
            for target in figure.get('target', []):
                if unknown := set(target) - TARGET_KEYS:
                    raise ValueError(f'{where}: target: unknown: {", ".join(sorted(unknown))}')
                if 'at_most' in target and 'at_least' in target:
                    raise ValueError(f'{where}: target: at_most and at_least')
                if 'from' in target and 'n' not in target:
                    raise ValueError(f'{where}: target: from without n')
    return modules


def fits(target, row):
    return any(fnmatch.fnmatchcase(row, glob) for glob in target.get('rows', ['*']))


def limit(target):
    """{'at_most': x}, or None if this says that there is no target."""
    return {key: target[key] for key in ('at_most', 'at_least') if key in target} or None


def target_of(figure, row, n):
    """The target of a figure's value for this N on this row."""
    for target in figure.get('target', []):
        if 'from' not in target and fits(target, row) and target.get('n', n) == n:
            return target
    return {}


def growths(figure, row):
    return [target for target in figure.get('target', []) if 'from' in target and fits(target, row)]


def met(value, bound):
    """True, False, or None where there is no target."""
    if bound is None:
        return None
    if 'at_most' in bound:
        return value <= bound['at_most']
    return value >= bound['at_least']
