#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the converter, of what is recorded and of the page, with made-up figures."""
import html.parser
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

import figures
import page
import plot
import recorded
import results
import samples
import text

HERE = os.path.dirname(os.path.abspath(__file__))

FIGURES = '''
[heap.alloc]
title = "Allocate <one>"
ours = "our heap"
other = "stock & old"
n = "bytes"
target = [
	{ n = 4096, rows = ["6.1"], at_most = 2.0 },
	{ n = 4096, at_most = 1.0, reason = "One page \\"costs\\" <more>." },
	{ from = 4096, n = 1048576, at_most = 300 },
]

[heap.entry]
title = "An entry"
ours = "one"
of = "smallest"
target = [{ at_most = 60 }]

[heap.loads]
title = "Loads"
ours = "slice"
other = "stock"
unit = "loads"
better = "more"
noise = 0.05
target = [{ rows = ["6.1"] }, { at_least = 0.9 }]

[heap.never]
title = "Nobody measures this"
ours = "new"
other = "old"
target = [{ at_most = 0.37 }]
'''

LINES = '''@bench	heap	alloc	4096	1200 1231 1300	1000 1011 990
@bench	heap	alloc	65536	2500 2500 2501	5003 5000 5000
@bench	heap	alloc	1048576	40100 40000 41000	80002 80000 79000
@bench	heap	entry	-	61.25 59.5 70	-
@bench	heap	loads	-	500 500 501	1000 1000 999
'''

VOID = {'meta', 'br', 'link', 'img', 'hr', 'input'}


def known():
    with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
        file.write(FIGURES)
        file.flush()
        return figures.load(file.name)


def measured(row='6.12', lines=LINES):
    return {'row': row, 'kernel': f'{row}.9-amd64', 'tree': 'abcdef', 'date': '2000-01-02',
            'seconds': '12', 'figures': samples.parse(io.StringIO(lines), known(), row)}


class Converter(unittest.TestCase):
    def figure(self, name, n=None, start=None, **kwargs):
        found = [figure for figure in measured(**kwargs)['figures']
                 if (figure['name'], figure['n'], figure['from']) == (name, n, start)]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_samples_are_kept_in_order(self):
        figure = self.figure('alloc', 4096)
        self.assertEqual(figure['ours']['samples'], [1200, 1231, 1300])
        self.assertEqual(figure['other']['samples'], [1000, 1011, 990])

    def test_median_spread_ratio(self):
        figure = self.figure('alloc', 4096)
        self.assertEqual(figure['ours']['median'], 1231)
        self.assertEqual(figure['other']['median'], 1000)
        self.assertAlmostEqual(figure['ours']['spread'], 100 / 1231)
        self.assertAlmostEqual(figure['ratio'], 1.231)
        self.assertEqual(figure['ours']['what'], 'our heap')
        self.assertEqual(figure['unit'], 'instructions')
        self.assertEqual(figure['n_unit'], 'bytes')

    def test_missed_has_its_reason(self):
        figure = self.figure('alloc', 4096)
        self.assertEqual(figure['target'], {'at_most': 1.0})
        self.assertIs(figure['met'], False)
        self.assertEqual(figure['reason'], 'One page "costs" <more>.')

    def test_target_of_a_row(self):
        figure = self.figure('alloc', 4096, row='6.1')
        self.assertEqual(figure['target'], {'at_most': 2.0})
        self.assertIs(figure['met'], True)
        self.assertIsNone(figure['reason'])

    def test_no_target(self):
        figure = self.figure('alloc', 65536)
        self.assertIsNone(figure['target'])
        self.assertIsNone(figure['met'])
        self.assertIsNone(self.figure('loads', row='6.1')['met'])

    def test_one_side_and_smallest(self):
        figure = self.figure('entry')
        self.assertIsNone(figure['ratio'])
        self.assertEqual(figure['value'], 59.5)
        self.assertIs(figure['met'], True)
        more = LINES.replace('59.5', '60.5')
        self.assertIs(self.figure('entry', lines=more)['met'], False)

    def test_at_least(self):
        self.assertIs(self.figure('loads')['met'], False)
        more = LINES.replace('500 500 501', '950 950 951')
        self.assertIs(self.figure('loads', lines=more)['met'], True)

    def test_growth(self):
        figure = self.figure('alloc', 1048576, 4096)
        self.assertAlmostEqual(figure['value'], 40100 / 1231)
        self.assertIs(figure['met'], True)
        self.assertEqual(figure['other']['samples'], [1200, 1231, 1300])

    def test_bad_lines(self):
        good = LINES.splitlines()[0]
        for line in ('', good + '\t1', good.replace('alloc', 'allok'), good.replace('4096', '-'),
                     good.replace('4096', 'x'), good.replace('1231', ''), good.replace('1231', 'nan'),
                     good.replace('1000 1011 990', '-'), good.replace('1000 1011 990', '0 0 0'),
                     good.replace('@bench', 'bench'), good + '\n' + good,
                     good[:good.index('\t1200')]):
            with self.subTest(line=line), self.assertRaises(samples.BadLine):
                samples.parse(io.StringIO(line + '\n'), known(), '6.12')

    def test_program(self):
        with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
            file.write(FIGURES)
            file.flush()

            def run(lines):
                return subprocess.run(
                    [sys.executable, '-B', os.path.join(HERE, 'samples.py'), file.name, 'row=6.12',
                     'kernel=k', 'tree=t', 'date=d', 'seconds=1'],
                    input=lines, capture_output=True, text=True, check=False)
            done = run(LINES)
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(done.stdout)
            self.assertEqual((found['row'], found['kernel'], found['tree'], found['date']),
                             ('6.12', 'k', 't', 'd'))
            self.assertEqual(found['figures'], measured()['figures'])
            for lines in ('', 'nonsense\n'):
                done = run(lines)
                self.assertEqual((done.returncode, done.stdout), (1, ''))


    def test_wall(self):
        made = measured()['figures']
        samples.add_wall(made, io.StringIO(LINES.replace('1200 1231 1300', '5000 7000 9000')),
                         known())
        walls = {(at['name'], at['n'], at['from']): at.get('wall') for at in made}
        self.assertEqual(walls['alloc', 4096, None], [7000, 1000])
        self.assertEqual(walls['entry', None, None], [59.5, None])
        self.assertIsNone(walls['loads', None, None])
        self.assertIsNone(walls['alloc', 1048576, 4096])


class Recorded(unittest.TestCase):
    """What is worse than recorded fails, and what has come or gone."""

    def run_it(self, changes=(), lines=LINES, record=False):
        """After one recording: status and output for lines"""
        with tempfile.TemporaryDirectory() as path:
            paths = [os.path.join(path, name) for name in ('recorded', 'before', 'json')]
            for name, what in ((paths[1], LINES), (paths[2], lines)):
                with open(name, 'w', encoding='utf-8') as file:
                    json.dump(measured(lines=what), file)
            program = [sys.executable, '-B', os.path.join(HERE, 'recorded.py')]
            if record:
                subprocess.run([*program, *paths[:2], 'record'], check=True)
                with open(paths[0], 'rb') as file:
                    content = tomllib.load(file)
                content['6.12'].update(changes)
                recorded.write(paths[0], content)
            done = subprocess.run([*program, paths[0], paths[2]], capture_output=True, text=True,
                                  check=False)
            return done.returncode, done.stdout

    def test_same(self):
        self.assertEqual(self.run_it(record=True), (0, '6 passed, 0 failed, 0 skipped\n'))

    def test_nothing_recorded(self):
        status, said = self.run_it()
        self.assertEqual((status, said.splitlines()[-1]), (1, '0 passed, 6 failed, 0 skipped'))

    def test_tolerance(self):
        for value, status in ((1.231 / 1.029, 0), (1.231 / 1.031, 1), (9.9, 0)):
            self.assertEqual(self.run_it({'heap alloc 4096': value}, record=True)[0], status, value)

    def test_more_is_better_and_noise(self):
        for value, status in ((0.5 * 1.079, 0), (0.5 * 1.081, 1), (0.1, 0)):
            self.assertEqual(self.run_it({'heap loads': value}, record=True)[0], status, value)

    def test_one_side(self):
        status, said = self.run_it({'heap entry': 50}, record=True)
        self.assertEqual(status, 1)
        self.assertIn('WORSE heap entry: 59.5000, recorded 50.0000: 19.0 % worse\n', said)
        self.assertIn('5 passed, 1 failed, 0 skipped', said)

    def test_growth(self):
        self.assertEqual(self.run_it({'heap alloc 1048576 4096': 30}, record=True)[0], 1)

    def test_come_and_gone(self):
        status, said = self.run_it(lines='\n'.join(LINES.splitlines()[:4]) + '\n', record=True)
        self.assertEqual(status, 1)
        self.assertIn('heap loads: recorded, and not measured', said)
        status, said = self.run_it({'heap gone': 1}, record=True)
        self.assertEqual(status, 1)


class Targets(unittest.TestCase):
    def bad(self, toml):
        with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
            file.write(toml)
            file.flush()
            with self.assertRaises(ValueError):
                figures.load(file.name)

    def test_misspelt(self):
        self.bad(FIGURES.replace('better =', 'beter ='))
        self.bad(FIGURES.replace('title = "Loads"\n', ''))
        self.bad(FIGURES.replace('at_most = 60', 'at_mots = 60'))
        self.bad(FIGURES.replace('at_most = 60', 'at_most = 60, at_least = 1'))
        self.bad(FIGURES.replace('from = 4096, n = 1048576', 'from = 4096'))

    def test_the_repository_s(self):
        path = os.path.join(HERE, '..', 'bench', 'figures.toml')
        modules = figures.load(path)
        # What the programs print is there.
        for program in ('heap', 'vfio', 'gem', 'syncobj'):
            with open(os.path.join(HERE, '..', 'bench', program + '-bench.c'),
                      encoding='utf-8') as file:
                module = re.search(r'(?:samples|compared)\("([a-z_]+)"', source := file.read()).group(1)
            for name in re.findall(r'(?:line|report|against_stock|first_touch|config_writes|'
                                   r'per_entry|against_drm|samples)\((?:"[^"]*",\s*)??"([a-z_]+)"', source):
                if name not in modules:
                    self.assertIn(name, modules[module], program)
            for names in re.findall(r'\{ ((?:"[a-z_]+"(?:, )?)+) \}', source):
                for name in re.findall('"([a-z_]+)"', names):
                    self.assertIn(name, modules[module], program)


class Markup(html.parser.HTMLParser):
    """Fails where a tag is not closed, or twice the same id."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.refs, self.words, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)
        if 'id' in attrs:
            self.ids.append(attrs['id'])
        if attrs.get('href', '').startswith('#'):
            self.refs.append(attrs['href'][1:])
        self.refs += attrs.get('aria-labelledby', '').split()

    def handle_endtag(self, tag):
        if tag in VOID or not self.open or self.open.pop() != tag:
            raise AssertionError(f'</{tag}> at {self.getpos()}')

    def handle_data(self, data):
        if self.open and self.open[-1] != 'style':
            self.words.append(data)


class Page(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def write(self, path, content):
        path = os.path.join(self.dir.name, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(content)

    def check_row(self, name, verdict, lines):
        for what, content in (('kernel', f'{name}.9-amd64'), ('seconds', '77'),
                              ('verdict', verdict), ('results', lines)):
            if content is not None:
                self.write(f'check/{name}/{what}', content + '\n')

    def made(self, *rows):
        """The page, parsed"""
        self.source = page.page(known(), list(rows), results.check(self.dir.name + '/check'),
                                results.coverage(self.dir.name + '/coverage'), 'abcdef', 'today')
        markup = Markup()
        markup.feed(self.source)
        markup.close()
        self.assertEqual(markup.open, [])
        self.assertEqual(len(markup.ids), len(set(markup.ids)))
        self.assertLessEqual(set(markup.refs), set(markup.ids))
        self.text = ' '.join(''.join(markup.words).split())
        return markup

    def section(self, ident):
        found = re.search(f'<section id="{ident}">.*?</section>', self.source, re.S)
        return found.group(0) if found else ''

    def test_every_figure(self):
        rows = [measured('6.1'), measured('6.12')]
        self.made(*rows)
        for row in rows:
            self.assertIn(row['kernel'], self.text)
            for figure in row['figures']:
                self.assertIn(text.name(figure), self.text)
                self.assertIn(text.ratio(figure['ratio']) if figure['ratio'] else
                              text.number(figure['value']), self.text)
                if figure['target']:
                    self.assertIn(text.bound(figure['target']), self.text)
                for side in (figure['ours'], figure['other']):
                    if side:
                        self.assertIn(' '.join(f'{value:,}' for value in side['samples']), self.text)
                        self.assertIn(text.number(side['median']), self.text)

    def test_missed_is_marked(self):
        self.made(measured('6.1'), measured('6.12'))
        missed = self.section('missed')
        self.assertIn('Allocate &lt;one&gt;, 4 KiB', missed)
        self.assertIn('1.231 on 6.12', missed)
        self.assertNotIn('on 6.1;', missed)
        self.assertIn('One page "costs" &lt;more&gt;.', missed)
        self.assertIn('0.500 on 6.12', missed)
        self.assertIn('No reason is given.', missed)
        self.assertNotIn('An entry', missed)
        operations = self.section('operations')
        self.assertEqual(operations.count('\u2717'), 2)
        self.assertEqual(operations.count('missed: '), 2)
        self.assertEqual(operations.count('\u2713'), 5)
        self.assertIn('Targets met5 of 72 missed', self.text)

    def test_wall(self):
        row = measured()
        row['figures'][0]['wall'] = [7000, 1500000]
        self.made(row)
        self.assertIn('7 \u00b5s / 1.5 ms', self.section('samples'))

    def test_order(self):
        lines = LINES.splitlines()
        self.made(measured(lines='\n'.join([lines[4], lines[2], lines[3], lines[0], lines[1]]) + '\n'))
        self.assertEqual(
            re.findall('rowheader">(.*?)<', self.section('operations')),
            ['Allocate &lt;one&gt;, 4 KiB', 'Allocate &lt;one&gt;, 64 KiB', 'Allocate &lt;one&gt;, 1 MiB',
             'Allocate &lt;one&gt;: growth from 4,096 to 1 MiB', 'An entry', 'Loads'])

    def test_nothing_missed(self):
        self.made(measured('6.1'))
        self.assertIn('<p>None.</p>', self.section('missed'))

    def test_not_measured(self):
        self.made(measured())
        self.assertIn('Nobody measures this: at most 0.37', self.text)
        self.assertNotIn('An entry', self.section('unmeasured'))

    def test_bars(self):
        markup = self.made(measured('6.1'), measured('6.12'))
        bars = [attrs for tag, attrs in markup.tags if tag == 'rect' and
                attrs.get('class', '').startswith('fill r')]
        self.assertEqual({bar['class'] for bar in bars}, {'fill r0', 'fill r1'})
        self.assertEqual(len(bars), 2 * 4)      # three sizes, and the loads
        self.assertEqual(len([1 for tag, attrs in markup.tags if tag == 'line' and
                              attrs.get('class') == 'target']), 3 + 1)

    def test_bars_end_at_the_scale_s_end(self):
        for ratio, limit in ((0.0001, 0.05), (9.9, 11), (1.2, 1.1)):
            lines = [at.get('class') for at in plot.bar(ratio, {'at_most': limit}, 0)]
            self.assertEqual('target' in lines, limit == 1.1)
            self.assertEqual('beyond' in lines, ratio != 1.2)

    def test_labels_leave_room(self):
        line = [(1 << shift, 1 + shift) for shift in (12, 16, 20, 23, 26, 28, 30)]
        texts = [at.text for at in plot.curve('i', 't', 'bytes', 'instructions', 'bytes',
                                              [(0, 'a', True, line)]).iter('text')]
        self.assertEqual([at for at in texts if at.endswith('iB')],
                         ['1 GiB', '64 MiB', '8 MiB', '1 MiB', '64 KiB', '4 KiB'])

    def test_curves(self):
        markup = self.made(measured('6.1'), measured('6.12'))
        lines = [attrs for tag, attrs in markup.tags if tag == 'polyline']
        self.assertEqual(len(lines), 4)         # ours and the other on two rows
        for line in lines:
            points = [tuple(map(float, point.split(','))) for point in line['points'].split()]
            self.assertEqual(len(points), 3)
            # logarithmic: from 4 KiB to 64 KiB is as far as from there to 1 MiB
            self.assertAlmostEqual(points[1][0] - points[0][0], points[2][0] - points[1][0], delta=.2)
            self.assertGreater(points[0][1], points[2][1])

    def test_tests(self):
        self.check_row('6.1', 'ok', 'pass\tsyncobj:a_test:a.b\t\npass\tsyncobj:a_test:a.c\t\n'
                       'allowed\tdrm_gem_ctl:b_test:x\tnone\npass\tkernel:log\tno splat')
        self.check_row('7.3', 'FAILED', 'fail\tsyncobj:a_test:a.b\t# a.c:3:b:Expected <1> (1) == '
                       'x (2)\x1b\\n# FAIL a.b\\n\npass\tsyncobj:a_test:a.c\t\x07\nfail\tguest:hang\t')
        self.check_row('6.18', 'unavailable: no headers', None)
        self.check_row('6.12', None, None)
        self.made()
        self.assertIn('Tests passed42 failed, 1 skipped', self.text)
        self.assertIn('Rows green1 of 4', self.text)
        self.assertNotRegex(self.source, '[\x00-\x08\x0b-\x1f]')
        tests = self.section('tests')
        self.assertIn('\u2717 1 of 2', tests)
        self.assertIn('\u2717 did not finish', tests)
        self.assertIn('unavailable: no headers', tests)
        self.assertIn('a.c:3:b:Expected &lt;1&gt; (1) == x (2)', tests)
        self.assertIn('syncobj:a_test:a.b', tests)
        self.assertIn('guest:hang', tests)
        self.assertIn('syncobj:a_test', self.text[self.text.index('By program'):])
        # 6.1 before 6.12
        self.assertEqual(re.findall(r'<th scope="row">([\d.]+)<', tests),
                         ['6.1', '6.12', '6.18', '7.3'])

    def test_coverage(self):
        self.write('coverage/summary',
                   'syncobj          lines 873 of 901 (96.9 %)        branches 601 of 714 (84.2 %)\n'
                   'vfio_pci_dmabuf  lines 15 of 855 (1.8 %)         branches -: less than 95 %\n')
        self.made()
        coverage = self.section('coverage')
        for words in ('96.9 %', '873 of 901', '84.2 %', '601 of 714', '15 of 855', 'less than 95 %'):
            self.assertIn(words, coverage)

    def test_nothing_was_run(self):
        self.made()
        self.assertIn('Nothing here of make bench, make check, make coverage: not run.', self.text)

    def test_by_itself(self):
        self.check_row('6.1', 'FAILED', 'fail\tsyncobj:a_test:a.b\tsee http' + '://a.b/ <script>')
        markup = self.made(measured('6.1'), measured('6.12'))
        self.assertFalse({'script', 'link', 'img', 'iframe', 'object'} &
                         {tag for tag, _ in markup.tags})
        for tag, attrs in markup.tags:
            self.assertNotIn('src', attrs)
            self.assertTrue(attrs.get('href', '#').startswith('#'), (tag, attrs))
        style = re.search('<style>(.*?)</style>', self.source, re.S).group(1)
        self.assertNotRegex(style, r'url\(|@import|https?:')
        # Only what a test has said may look like an address.
        self.assertEqual(len(re.findall('https?:', self.source)), 1)
        self.assertIn('prefers-color-scheme: dark', style)
        self.assertIn('@media print {', style)


class Text(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual([text.ratio(value) for value in (0.00007, 0.0123, 0.5, 1.02649, 13.25, 13991.6)],
                         ['0.000070', '0.012', '0.500', '1.026', '13.2', '13,992'])
        self.assertEqual([text.limit(value) for value in (0.01, 0.3, 1.0, 1.05, 11.0, 60)],
                         ['0.01', '0.30', '1.00', '1.05', '11', '60'])
        self.assertEqual([text.count(*at) for at in ((4096, 'bytes'), (1 << 30, 'bytes'),
                                                     (100, 'bytes'), (1, 'mappings'))],
                         ['4 KiB', '1 GiB', '100 bytes', '1 mapping'])


if __name__ == '__main__':
    unittest.main()
