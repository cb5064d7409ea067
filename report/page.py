#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make one page of what make bench, make check and make coverage have left.

page.py FIGURES OUT TREE >PAGE

FIGURES is bench/figures.toml, OUT the directory that has bench/, check/ and coverage/, TREE
what the page is called after. The page needs nothing else: no network, no script.
"""
import datetime
import os
import sys

import figures
import plot
import results
import text
from markup import E, document

HERE = os.path.dirname(os.path.abspath(__file__))
COLOURS = 6     # that style.css has


class Bench:
    """All rows' figures, put together by what they are of."""

    def __init__(self, rows, known):
        self.rows, self.known = rows, known
        self.names = [row['row'] for row in rows]
        self.operations = {}    # (module, name, n, from): [(row's number, figure)]
        for number, row in enumerate(rows):
            for figure in row['figures']:
                key = (figure['module'], figure['name'], figure['n'], figure['from'])
                self.operations.setdefault(key, []).append((number, figure))

    def of_module(self, module):
        """In the order of figures.toml; of one figure as N grows, and growths behind them"""
        names = list(self.known[module])
        keys = sorted((key for key in self.operations if key[0] == module),
                      key=lambda key: (names.index(key[1]), key[3] is not None, key[2] or 0))
        return [self.operations[key] for key in keys]

    def all(self):
        return [figure for row in self.rows for figure in row['figures']]

    def missed(self):
        """[[(row's number, figure)]], by operation"""
        found = ([at for at in rows if at[1]['met'] is False] for rows in self.operations.values())
        return [rows for rows in found if rows]

    def unmeasured(self):
        """[(module, table)]: figures with a target that no row has."""
        seen = {key[:2] for key in self.operations}
        return [(module, table) for module, tables in self.known.items()
                for name, table in tables.items()
                if (module, name) not in seen and any(map(figures.limit, table.get('target', [])))]


def colour(number):
    return number % COLOURS


def chip(number):
    return E('span', class_=f'chip r{colour(number)}', aria_hidden='true')


def plural(n, what):
    return f'{n:,} {what}' + ('' if n == 1 else 's')


def sums(bench, check, coverage):
    """The first things that are asked for."""
    def entry(what, value, small, bad=False):
        return E('div', E('dt', what),
                 E('dd', value, E('small', small, class_='bad' if bad else None)))

    entries = []
    if bench.rows:
        met = [figure['met'] for figure in bench.all() if figure['met'] is not None]
        entries.append(entry('Targets met', f'{sum(met)} of {len(met)}',
                             f'{len(met) - sum(met)} missed', not all(met)))
    if check:
        failed, passed, allowed = (sum(row.count(status) for row in check)
                                   for status in ('fail', 'pass', 'allowed'))
        entries.append(entry('Tests passed', f'{passed:,}',
                             f'{failed:,} failed, {allowed:,} skipped', failed))
        bad = [row for row in check if row.verdict != 'ok']
        entries.append(entry('Rows green', f'{len(check) - len(bad)} of {len(check)}',
                             ', '.join(row.name for row in bad) or 'all', bad))
    if coverage:
        ran, of = (sum(module[i] for module in coverage) for i in (1, 2))
        entries.append(entry('Lines run by tests', f'{100 * ran / of:.1f} %' if of else '-',
                             f'{ran:,} of {of:,}'))
    return E('dl', entries, class_='sums') if entries else None


def missed(bench):
    def item(rows):
        figure = rows[0][1]
        # Of a figure whose rows have different targets, each with its own
        same = all(at[1]['target'] == figure['target'] for at in rows)
        values = '; '.join(f'{text.value(at)} on {bench.names[number]}' +
                           ('' if same else f' ({text.bound(at["target"])})') for number, at in rows)
        return E('li', E('strong', text.name(figure)), ' (', E('code', figure['module']), '): ',
                 E('span', values, class_='bad'), f', to be {text.bound(figure["target"])}. ' if same else '. ',
                 figure['reason'] or E('em', 'No reason is given.'))

    items = [item(rows) for rows in bench.missed()]
    return E('section', E('h2', 'Missed targets'),
             E('ul', items) if items else E('p', 'None.'), id='missed')


def verdict(figure):
    if figure['met'] is None:
        return E('td', E('span', 'no target', class_='hidden'), class_='verdict none', role='cell')
    words = text.bound(figure['target'])
    if figure['met']:
        return E('td', '\u2713 ', E('span', 'met: ', class_='hidden'), words, class_='verdict quiet',
                 role='cell')
    return E('td', '\u2717 ', E('span', 'missed: ', class_='hidden'), words, class_='verdict bad',
             role='cell')


def sides_of(figure):
    sides = figure['ours']['what']
    if figure['from'] is not None:
        sides = f'{sides}: {figure["n"]:,} / {figure["from"]:,}'
    elif figure['other']:
        sides = f'{sides} / {figure["other"]["what"]}'
    else:
        sides = f'{sides}: {figure["unit"]}'
    if figure['better'] == 'more':
        sides += '; more is better'
    return sides


def operation(bench, rows, before):
    """A table's body; what the sides are is said where it is not as before."""
    figure = rows[0][1]
    sides = sides_of(figure)
    head = E('th', text.name(figure), E('span', sides, class_='sides') if sides != before else None,
             class_='op', scope='rowgroup', rowspan=len(rows), role='rowheader')
    lines = []
    for number, at in rows:
        # What grows with n, and what is no ratio, has no place on the scale.
        drawn = at['ratio'] is not None and at['from'] is None
        lines.append(E(
            'tr', None if lines else head,
            E('td', chip(number), bench.names[number], class_='row', role='cell'),
            E('td', plot.bar(at['ratio'], at['target'], colour(number)) if drawn else None,
              class_='plot', role='cell'),
            E('td', text.ratio(at['ratio']) if at['ratio'] is not None else
              text.number(at['value']), class_='num', role='cell'),
            verdict(at), role='row'))
    return E('tbody', lines, role='rowgroup')


def operations(bench):
    sections = []
    for module in bench.known:
        found = bench.of_module(module)
        if not found:
            continue
        sides = [sides_of(rows[0][1]) for rows in found]
        sections += [
            E('h3', E('code', module)),
            E('table',
              E('caption', f'{module}: value and target of each operation and row',
                class_='hidden'),
              E('thead', E('tr', E('th', 'operation', scope='col'), E('th', 'row', scope='col'),
                           E('th', plot.bar_axis(), E('span', 'plot', class_='hidden'),
                             scope='col', class_='plot'),
                           E('th', 'ratio', scope='col', class_='num'),
                           E('th', 'target', scope='col'))),
              [operation(bench, *at) for at in zip(found, [None, *sides])], class_='bars', role='table')]
    key = E('svg', E('line', x1=4, x2=4, y1=0, y2=18, class_='target'), class_='key', width=8,
            height=18, aria_hidden='true')
    return E('section', E('h2', 'Operations'),
             E('p', 'Guest instructions of bufsync, divided by those of what it is compared with, in '
               'one boot of one kernel, alternating. Bars begin at 1 and are logarithmic: to the left '
               'bufsync takes less. The stroke ', key, ' is the target. A bar that ends in an arrow '
               'goes on beyond the scale.'), sections, id='operations')


def curve_lines(bench, rows):
    """From [(row's number, figure)] of one name: what plot.curve() draws."""
    lines = []
    for number in sorted({number for number, _ in rows}):
        points = sorted((figure['n'], figure) for at, figure in rows if at == number)
        for what in ('ours', 'other'):
            line = [(n, figure[what][figure['of']]) for n, figure in points
                    if figure[what] and n > 0 and figure[what][figure['of']] > 0]
            if line:
                lines.append((colour(number), f'{bench.names[number]}, {points[0][1][what]["what"]}',
                              what == 'ours', line))
    return lines


def curve_table(lines, unit, title):
    ns = sorted({n for line in lines for n, _ in line[3]})
    return E('details', E('summary', 'The numbers'), E('div', E(
        'table', E('caption', f'{title}, instructions', class_='hidden'),
        E('thead', E('tr', E('th', 'row', scope='col'),
                     [E('th', text.count(n, unit), scope='col', class_='num') for n in ns])),
        E('tbody', [E('tr', E('th', name, scope='row'),
                      [E('td', text.number(dict(line)[n]) if n in dict(line) else '-', class_='num')
                       for n in ns]) for _, name, _, line in lines]),
        class_='list'), class_='scroll', tabindex=0))


def curves(bench):
    by_name = {}
    for (module, name, n, start), rows in bench.operations.items():
        if n is not None and start is None:
            by_name.setdefault((module, name), []).extend(rows)
    found = []
    for (module, name), rows in by_name.items():
        lines = curve_lines(bench, rows)
        if max((len(line[3]) for line in lines), default=0) < 3:
            continue
        figure = rows[0][1]
        unit, title = figure['n_unit'], figure['title']
        found.append(E(
            'figure',
            E('figcaption', title, E('small', E('code', module), ': solid, dots: ',
                                     figure['ours']['what'],
                                     ['; dashed, squares: ', figure['other']['what']]
                                     if figure['other'] else None,
                                     '; dotted: what linear is')),
            E('ul', [E('li', chip(number), bench.names[number])
                     for number in sorted({number for number, _ in rows})], class_='keys'),
            plot.curve(f'{module}-{name}', title, unit, figure['unit'], unit, lines),
            curve_table(lines, unit, title)))
    if not found:
        return None
    return E('section', E('h2', 'Scaling'), E('div', found, class_='curves'), id='scaling')


def cell(row, module, program=None):
    if not row.tests:
        return E('td', '-', class_='num quiet')
    passed, failed, skipped = (row.count(status, module, program)
                               for status in ('pass', 'fail', 'allowed'))
    if failed:
        return E('td', f'\u2717 {failed} of {passed + failed}', E('span', ' failed', class_='hidden'),
                 class_='num fail')
    if not passed and not skipped:
        return E('td', '-', class_='num quiet')
    return E('td', f'{passed}', [E('span', f' +{skipped}', class_='quiet'),
                                 E('span', ' skipped', class_='hidden')]
             if skipped else None, class_='num')


def said(said_all):
    """Of what a test has said the line that tells most."""
    lines = [line.lstrip('# ') for line in said_all.split('\\n') if line.strip('# ')]
    telling = [line for line in lines if ':Expected ' in line] or \
        [line for line in lines if not line.startswith(('FAIL ', 'RUN ', 'TAP '))]
    return telling[-1][:300] if telling else ''


def failures(check):
    """One entry a test, with all the rows on which it fails."""
    found = {}
    for row in check:
        for test in row.failures():
            found.setdefault(test[3], []).append((row.name, said(test[4])))
    if not found:
        return None
    return [E('h3', 'Failures'),
            E('ul', [E('li', E('code', test), ' on ', ', '.join(name for name, _ in rows),
                       [E('br'), E('code', rows[0][1], class_='quiet')] if rows[0][1] else None)
                     for test, rows in found.items()])]


def kernel_of(row):
    return E('code', row.kernel, class_='sides') if row.kernel.strip('-') else None


def tests(check):
    columns = [*results.MODULES, 'other']
    rows = [E('tr', E('th', row.name, kernel_of(row), scope='row'),
              E('td', '\u2713 ok' if row.verdict == 'ok' else
                f'\u2717 {row.verdict or "did not finish"}', class_='verdict' if row.verdict == 'ok'
                else 'quiet' if row.verdict.startswith('unavailable') else 'verdict fail'),
              E('td', row.seconds, class_='num'),
              [cell(row, module) for module in columns]) for row in check]
    return E('section', E('h2', 'Tests'),
             E('p', 'Of the last ', E('code', 'make check'), ': how many tests have passed, or how '
               'many have failed (\u2717) of how many; + those that are skipped, as the row lacks '
               'something.'),
             E('div', E('table', E('caption', 'rows and modules', class_='hidden'),
                        E('thead', E('tr', [E('th', what, scope='col') for what in
                                            ('row', 'verdict')],
                                     [E('th', what, scope='col', class_='num') for what in
                                      ['seconds', *columns]])),
                        E('tbody', rows), class_='list'), class_='scroll', tabindex=0),
             failures(check),
             by_program(check), id='tests')


def by_program(check):
    kernels = [row for row in check if any(row.count(status, module) for module in results.MODULES
                                           for status in ('pass', 'fail', 'allowed'))]
    lines = [E('tr', E('th', E('code', f'{module}:{program}'), scope='row'),
               [cell(row, module, program) for row in kernels])
             for module, program in results.programs(kernels)]
    if not lines:
        return None
    return E('details', E('summary', f'By program: {plural(len(lines), "program")} on '
                          f'{plural(len(kernels), "row")}'),
             E('div', E('table', E('caption', 'programs and rows', class_='hidden'),
                        E('thead', E('tr', E('th', 'program', scope='col'),
                                     [E('th', row.name, scope='col', class_='num')
                                      for row in kernels])),
                        E('tbody', lines), class_='list'), class_='scroll', tabindex=0))


def covered(coverage):
    def line(module, ran, of, taken, branches, complaint):
        return E('tr', E('th', E('code', module), scope='row'),
                 E('td', plot.part(ran, of) if of else None, class_='plot'),
                 E('td', f'{100 * ran / of:.1f} %' if of else '-',
                   class_='num bad' if complaint else 'num'),
                 E('td', f'{ran:,} of {of:,}', class_='num'),
                 E('td', f'{100 * taken / branches:.1f} %' if branches else '-', class_='num'),
                 E('td', f'{taken:,} of {branches:,}', class_='num'),
                 E('td', complaint, class_='bad'))

    return E('section', E('h2', 'Coverage'),
             E('p', 'Lines and branches of the modules that the tests run, of the last ',
               E('code', 'make coverage'), '.'),
             E('div', E('table', E('caption', 'modules', class_='hidden'),
                        E('thead', E('tr', E('th', 'module', scope='col'),
                                     E('th', E('span', 'plot', class_='hidden'), scope='col'),
                                     E('th', 'lines', scope='col', class_='num', colspan=2),
                                     E('th', 'branches', scope='col', class_='num', colspan=2),
                                     E('th', E('span', 'complaint', class_='hidden'),
                                       scope='col'))),
                        E('tbody', [line(*module) for module in coverage]), class_='list coverage'),
               class_='scroll', tabindex=0), id='coverage')


def unmeasured(bench):
    found = bench.unmeasured()
    if not found:
        return None

    def item(module, table):
        bounds = [text.bound(figures.limit(target)) +
                  (f' from {target["from"]:,} to {target["n"]:,}' if 'from' in target else '') +
                  ('' if 'other' in table or 'unit' not in table else f' {table["unit"]}')
                  for target in table['target'] if figures.limit(target)]
        sides = f'{table["ours"]} / {table["other"]}' if 'other' in table else table['ours']
        return E('li', E('code', module), f': {table["title"]}: {"; ".join(bounds)} ',
                 E('span', f'({sides})', class_='quiet'))

    return E('section', E('h2', 'Targets not measured'),
             E('p', 'No row has these figures.'),
             E('ul', [item(*at) for at in found]), id='unmeasured')


def raw(bench):
    def side(at):
        if not at:
            return [E('td', '-', class_='num'), E('td', '-', class_='num'), E('td', '-')]
        return [E('td', text.number(at['median']), class_='num'),
                E('td', f'{100 * at["spread"]:.2g} %', class_='num'),
                E('td', ' '.join(f'{sample:,}' for sample in at['samples']), class_='samples')]

    lines = [E('tr', E('th', text.name(figure), scope='row'), E('td', bench.names[number]),
               E('td', figure['unit']), side(figure['ours']), side(figure['other']),
               E('td', ' / '.join(text.time(at) for at in figure.get('wall', []) if at is not None),
                 class_='num'))
             for rows in bench.operations.values() for number, figure in rows]
    heads = [E('th', what, scope='col') for what in
             ('figure', 'row', 'unit', 'ours: median', 'spread', 'samples', 'other: median',
              'spread', 'samples', 'wall time')]
    return E('section', E('h2', 'Samples'),
             E('p', 'Spread: from the smallest to the largest, of the median. Of ',
               E('code', 'drm_gem_ctl'), ' the smallest stands for the samples, of the others the '
               'median. Wall time: of a boot that does not count instructions, by the clock of an '
               'emulated processor or, where there is KVM, of a real one; for information, and '
               'never compared with anything.'),
             E('details', E('summary', f'{plural(len(lines), "figure")}'),
               E('div', E('table', E('caption', 'all samples', class_='hidden'),
                          E('thead', E('tr', heads)), E('tbody', lines), class_='list'),
                 class_='scroll', tabindex=0)), id='samples')


def origin(bench):
    """Which kernels, which tree, when"""
    return E('ul', [E('li', chip(number), E('strong', row['row']), ': ',
                      E('code', row['kernel']), ', tree ', E('code', row['tree'][:20]),
                      f', {row["date"]}', f', {row["seconds"]} s' if row.get('seconds') else '')
                    for number, row in enumerate(bench.rows)], class_='origin')


def page(known, rows, check, coverage, tree, date):
    bench = Bench(rows, known)
    with open(os.path.join(HERE, 'style.css'), encoding='utf-8') as file:
        style = file.read()
    sections = []
    if rows:
        sections += [missed(bench), operations(bench), curves(bench)]
    if check:
        sections.append(tests(check))
    if coverage:
        sections.append(covered(coverage))
    sections.append(unmeasured(bench))
    if rows:
        sections.append(raw(bench))
    sections = [section for section in sections if section is not None]
    absent = [f'make {what}' for what, found in
              (('bench', rows), ('check', check), ('coverage', coverage)) if not found]
    return document(E(
        'html',
        E('head', E('meta', charset='utf-8'),
          E('meta', name='viewport', content='width=device-width, initial-scale=1'),
          E('title', 'bufsync: speed and tests'), E('style', style)),
        E('body',
          E('header', E('h1', 'bufsync: speed and tests'),
            E('p', f'Made {date} of tree ', E('code', tree), '.', class_='quiet'),
            origin(bench) if rows else None,
            E('p', 'Nothing here of ', ', '.join(absent), ': not run.') if absent else None),
          sums(bench, check, coverage),
          E('nav', [E('a', section.find('h2').text, href='#' + section.get('id'))
                    for section in sections], aria_label='sections'),
          E('main', sections)),
        lang='en'))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    out = sys.argv[2]
    sys.stdout.write(page(
        figures.load(sys.argv[1]), results.bench(os.path.join(out, 'bench')),
        results.check(os.path.join(out, 'check')), results.coverage(os.path.join(out, 'coverage')),
        sys.argv[3], datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC')))


if __name__ == '__main__':
    main()
