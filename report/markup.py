# SPDX-License-Identifier: GPL-2.0-only
"""Elements of the page: escaping and closing of tags is the library's business."""
import re
import xml.etree.ElementTree as ET

# What no document may have, and a kernel's log does.
CONTROL = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]')


def E(tag, *children, **attributes):
    """<tag>, with children: elements, strings, lists of them, or None. class_ is "class",
    aria_label "aria-label"; an attribute that is None is left out."""
    element = ET.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            element.set(name.rstrip('_').replace('_', '-'), CONTROL.sub('', str(value)))
    append(element, children)
    return element


def append(element, children):
    for child in children:
        if child is None:
            continue
        if isinstance(child, (list, tuple)):
            append(element, child)
        elif isinstance(child, ET.Element):
            element.append(child)
        else:
            text = CONTROL.sub('', str(child))
            if len(element):
                element[-1].tail = (element[-1].tail or '') + text
            else:
                element.text = (element.text or '') + text


def document(html):
    return '<!DOCTYPE html>\n' + ET.tostring(html, encoding='unicode', method='html') + '\n'
