#!/usr/bin/env python3
"""Writes the expected outputs of the chat template tests, from Jinja2 itself.

  python3 -m venv .venv && .venv/bin/pip install jinja2==3.1.6 && .venv/bin/python tests/oracle/make_template_goldens.py

A folder other than tests/data/template can be given as the argument.

Reads  tests/data/template/cases.txt           small templates, one a line or between lines of "----"
       tests/data/template/models/*.jinja      chat templates (their sources: models/README.md)
       tests/data/template/conversations.json  what they are rendered with
Writes tests/data/template/cases.json and tests/data/template/models.json.

The environment is that of transformers' apply_chat_template, from its documentation: an ImmutableSandboxedEnvironment
with trim_blocks and lstrip_blocks, the loop controls extension, a {% generation %} tag that passes its body through,
raise_exception, strftime_now, and a tojson that escapes nothing.
"""
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

HOME = pathlib.Path(__file__).resolve().parent.parent / "data" / "template"
DATA = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HOME

# What the small cases see.
VARIABLES = {
    "n": 7,
    "f": 2.5,
    "s": "Hello World",
    "u": "Grüße, 世界! 🎉",
    "empty": "",
    "t": True,
    "nothing": None,
    "l": [3, 1, 2],
    "words": ["apple", "Banana", "cherry", "apple"],
    "d": {"a": 1, "b": [1, 2, {"c": None}], "items_key": "x"},
    "users": [
        {"name": "John", "age": 30, "city": {"name": "Paris"}},
        {"name": "alice", "age": 25, "city": {"name": "Berlin"}},
        {"name": "Bob", "age": 30, "city": {"name": "Paris"}},
    ],
    "nested": {"x": {"y": {"z": "deep"}}, "list": [[1, 2], [3, [4, 5]]]},
    "text": "line one\n  line two\n\nline four\n",
    "html": "<b class=\"x\">Tom & 'Jerry'</b>",
}


class Generation(jinja2.ext.Extension):
    """{% generation %}: its body is a call block, so that assignments in it stay inside."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(line)

    def _pass(self, caller):
        return caller()


class Refused(Exception):
    """What raise_exception raises."""


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise Refused(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    # A fixed day: the tests replace what strftime_now printed.
    env.globals["strftime_now"] = lambda form: "<" + form + ">"
    return env


def render(env, source, variables):
    try:
        return {"expected": env.from_string(source).render(**variables)}
    except (jinja2.TemplateSyntaxError, SyntaxError) as error:
        return {"error": "syntax", "message": str(error)}
    except Refused as error:
        return {"error": "raised", "message": str(error)}
    except Exception as error:  # whatever Python raises inside an expression
        return {"error": "runtime", "message": f"{type(error).__name__}: {error}"}


def read_cases(text):
    cases, block = [], None
    for line in text.split("\n"):
        if line == "----":
            if block is None:
                block = []
            else:
                cases.append("\n".join(block))
                block = None
        elif block is not None:
            block.append(line)
        elif line and not line.startswith("## "):
            cases.append(line)
    return cases


def write(name, content):
    (DATA / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    env = environment()
    cases = read_cases((DATA / "cases.txt").read_text(encoding="utf-8"))
    results = [{"template": case, **render(env, case, VARIABLES)} for case in cases]
    write("cases.json", {"variables": VARIABLES, "cases": results})
    for result in results:
        if "error" in result:
            print(f"{result['error']}: {result['template']!r}: {result['message']}")

    conversations = json.loads((DATA / "conversations.json").read_text(encoding="utf-8"))
    rendered = []
    for path in sorted((DATA / "models").glob("*.jinja")):
        for name, conversation in conversations.items():
            for prompt in (True, False):
                variables = {"tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>", **conversation}
                variables["add_generation_prompt"] = prompt
                outcome = render(env, path.read_text(encoding="utf-8"), variables)
                if outcome.get("error") == "syntax":
                    raise SystemExit(f"{path.name}: {outcome['message']}")
                rendered.append({"model": path.name, "conversation": name, "prompt": prompt, **outcome})
    write("models.json", rendered)
    print(len(results), "cases,", len(rendered), "renderings,", sum("error" in r for r in rendered), "of them refused")


if __name__ == "__main__":
    main()
