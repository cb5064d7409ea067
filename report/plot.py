# SPDX-License-Identifier: GPL-2.0-only
"""The plots, as SVG. Colours are the style sheet's: the class rN is that of the Nth row."""
import math

import text
from markup import E

# Of the bars: ratios are drawn on a logarithmic scale, from 1 on.
LOW, HIGH = 0.22, 2.3
TICKS = (0.25, 0.5, 1, 2)


def place(ratio):
    """Per cent of the width"""
    part = math.log(max(ratio, 1e-12) / LOW) / math.log(HIGH / LOW)
    return 100 * min(max(part, 0), 1)


def percent(value):
    return f'{value:.2f}%'


def vertical(at, class_):
    return E('line', x1=percent(at), x2=percent(at), y1=0, y2='100%', class_=class_)


def bar(ratio, bound, row):
    """Hidden from screen readers, as the number stands beside it."""
    one, end = place(1), place(ratio)
    children = [vertical(place(tick), 'one' if tick == 1 else 'grid') for tick in TICKS]
    children.append(E('rect', x=percent(min(one, end)), y=8, height=12,
                      width=percent(max(abs(end - one), 0.4)), class_=f'fill r{row}'))
    # Beyond the scale
    if ratio < LOW:
        children.append(E('text', '\u2039', x=3, y=19, class_='beyond'))
    if ratio > HIGH:
        children.append(E('text', '\u203a', x='99%', y=19, text_anchor='end', class_='beyond'))
    if bound:
        limit = next(iter(bound.values()))
        if LOW <= limit <= HIGH:
            children.append(vertical(place(limit), 'target'))
    return E('svg', children, class_='bar', width='100%', height=28, aria_hidden='true')


def bar_axis():
    return E('svg', [E('text', f'{tick:g}', x=percent(place(tick)), y=12, text_anchor='middle')
                     for tick in TICKS],
             class_='bar', width='100%', height=16, aria_hidden='true')


def part(value, of):
    """How much of a whole"""
    return E('svg', E('rect', x=0, y=4, width='100%', height=10, class_='rest'),
             E('rect', x=0, y=4, width=percent(100 * value / of), height=10, class_='fill r0'),
             class_='bar', width='100%', height=18, aria_hidden='true')


WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 28, 44


class Scale:
    """Logarithmic, from values to places"""

    def __init__(self, values, start, end):
        self.low, self.high = min(values), max(values)
        self.start, self.end = start, end

    def __call__(self, value):
        span = math.log(self.high / self.low) or 1
        return self.start + (self.end - self.start) * math.log(value / self.low) / span


def decades(low, high):
    """Round numbers, for the ticks of an axis: 1, 10, 100; closer where that is too few."""
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [step * 10 ** power for power in range(-1, 13) for step in steps
                 if low <= step * 10 ** power <= high]
        if len(ticks) >= 3:
            break
    return ticks


def short(value):
    for unit, size in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if value >= size:
            return f'{value / size:g} {unit}'
    return f'{value:g}'


def mark(x, y, ours, class_, title):
    if ours:
        return E('circle', E('title', title), cx=f'{x:.1f}', cy=f'{y:.1f}', r=3.5, class_=class_)
    return E('rect', E('title', title), x=f'{x - 3:.1f}', y=f'{y - 3:.1f}', width=6, height=6,
             class_=class_)


def curve(ident, title, x_title, y_title, unit, lines):
    """lines: [(row's number, row's name, ours?, [(n, value)])]. log-log."""
    points = [point for line in lines for point in line[3]]
    x = Scale([n for n, _ in points], LEFT + 12, WIDTH - RIGHT - 12)
    low, high = min(v for _, v in points), max(v for _, v in points)
    y = Scale([low / 1.3, high * 1.3], HEIGHT - BOTTOM, TOP)
    children = [E('title', title, id=f'{ident}-t'),
                E('desc', f'{y_title} over {x_title}, both logarithmic. The numbers are in the '
                  'table below.', id=f'{ident}-d')]
    for tick in decades(y.low, y.high):
        at = f'{y(tick):.1f}'
        children += [E('line', x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_='grid'),
                     E('text', short(tick), x=LEFT - 8, y=f'{y(tick) + 4:.1f}', text_anchor='end')]
    free = math.inf     # what the labels to the right leave
    for n in sorted({n for n, _ in points}, reverse=True):
        at = f'{x(n):.1f}'
        children.append(E('line', x1=at, x2=at, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4,
                          class_='axis'))
        label = text.bytes_(n) if unit == 'bytes' else f'{n:,}'
        half = 4 + 3.5 * len(label)
        if x(n) + half <= free:
            free = x(n) - half
            children.append(E('text', label, x=at, y=HEIGHT - BOTTOM + 17, text_anchor='middle'))
    children.append(E('path', d=f'M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}', class_='axis'))
    # What linear would be, through the first line's end
    n, value = lines[0][3][-1]
    start = max(x.low, n * y.low / value)
    children.append(E('line', x1=f'{x(start):.1f}', y1=f'{y(value * start / n):.1f}',
                      x2=f'{x(n):.1f}', y2=f'{y(value):.1f}', class_='linear'))
    for row, name, ours, line in lines:
        class_ = f'{"ours" if ours else "other"} r{row}'
        children.append(E('polyline', class_=f'stroke {class_}',
                          points=' '.join(f'{x(n):.1f},{y(v):.1f}' for n, v in line)))
        children += [mark(x(n), y(v), ours, f'mark {class_}',
                          f'{name}, {text.count(n, unit)}: {text.number(v)}') for n, v in line]
    children += [E('text', x_title, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6,
                   text_anchor='middle', class_='axis-title'),
                 E('text', y_title, x=0, y=12, class_='axis-title')]
    return E('svg', children, class_='curve', viewBox=f'0 0 {WIDTH} {HEIGHT}', role='img',
             aria_labelledby=f'{ident}-t {ident}-d')
