# SPDX-License-Identifier: GPL-2.0-only
"""How numbers are written."""
import math


def ratio(value):
    """Three digits behind the point near 1, two that count where it is small."""
    if value >= 100:
        return f'{value:,.0f}'
    if value >= 10:
        return f'{value:.1f}'
    if value >= 0.1:
        return f'{value:.3f}'
    if value <= 0:
        return '0'
    return f'{value:.{1 - math.floor(math.log10(value))}f}'


def number(value):
    """Of instructions: whole, but for what is a part of a few."""
    return f'{value:,.0f}' if value >= 1000 or value == int(value) else f'{value:,.1f}'


def time(nanoseconds):
    for unit, size in (('s', 1e9), ('ms', 1e6), ('\u00b5s', 1e3)):
        if nanoseconds >= size:
            return f'{nanoseconds / size:.3g} {unit}'
    return f'{nanoseconds:.3g} ns'


def bytes_(value):
    for unit, shift in (('GiB', 30), ('MiB', 20), ('KiB', 10)):
        if value >= 1 << shift and value % (1 << shift) == 0:
            return f'{value >> shift} {unit}'
    return f'{value:,} bytes'


def count(value, unit):
    if unit == 'bytes':
        return bytes_(value)
    return f'{value:,} {unit[:-1] if value == 1 and unit.endswith("s") else unit}'


def limit(value):
    """Of a target: 1.05, 0.30, 60"""
    return f'{value:.2f}' if 0.1 <= value < 10 else f'{value:,g}'


def bound(target):
    """at most 1.05"""
    sign, value = next(iter(target.items()))
    return ('at most ' if sign == 'at_most' else 'at least ') + limit(value)


def name(figure):
    """Allocate and free, 4 KiB"""
    title = figure['title']
    if figure['from'] is not None:
        return f'{title}: growth from {figure["from"]:,} to {count(figure["n"], figure["n_unit"])}'
    if figure['n'] is not None:
        return f'{title}, {count(figure["n"], figure["n_unit"])}'
    return title


def value(figure):
    if figure['ratio'] is not None:
        return ratio(figure['ratio'])
    return f'{number(figure["value"])} {figure["unit"]}'
