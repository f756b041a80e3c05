"""The page in a real headless Chromium, before a stand-in for the server, and once before the server itself.

Usage: page_test.py [API_SERVER] [unittest's options]      exit status 77: there is no Chromium
"""

import json
import os
import subprocess
import sys
import time
import unittest

import page_stand_in
from page_browser import PATIENCE, Browser, find_chromium
from page_stand_in import StandIn

API_SERVER = None
LAST = ".message.assistant:last-child"

MARKDOWN = """## Title

A **bold** <b id="bad">word</b>, `code` and [a link](https://example.org/a), [not one](javascript:alert(1)).

- one
- two

| a | b |
|--|--:|
| 1 | 2 |

```js
if (a < b) run("<i>");
```

<script>window.bad = 1</script><img src="x" onerror="window.bad = 1">
"""


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser(find_chromium())

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        self.stand_in = StandIn()
        self.addCleanup(self.stand_in.close)
        self.browser.faults.clear()
        self.browser.resize(1280, 800)
        self.browser.prefer("light")
        self.open(self.stand_in.url)

    def tearDown(self):
        faults = list(self.browser.faults)
        self.browser.open("about:blank")  # which asks nothing of a server that ends
        self.assertEqual(faults, [])

    def open(self, url):
        self.browser.open(url)
        self.browser.wait(
            "document.querySelector('#version').textContent !== '' && document.querySelector('.greeting')"
        )

    def reload(self):
        self.browser.evaluate("window.old = true")
        self.browser.call("Page.reload")
        self.browser.wait("!window.old && document.querySelector('#version')?.textContent")

    def ask(self, text):
        self.browser.evaluate("document.querySelector('#input').focus()")
        self.browser.type(text)
        self.browser.press("Enter")

    def wait_for_answer(self, count=None):
        self.browser.wait(
            f"document.querySelector('{LAST}')?.getAttribute('aria-busy') === 'false'"
            + (f" && document.querySelectorAll('.message').length === {count}" if count else "")
        )

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def titles(self):
        return self.browser.evaluate(
            "[...document.querySelectorAll('.conversations .open')].map(e => e.textContent)"
        )

    def test_answers_appear_while_they_come(self):
        self.stand_in.answers["hello"] = page_stand_in.held("Half", " and **whole**")
        self.ask("hello")
        self.browser.wait(f"document.querySelector('{LAST} .prose')?.innerText === 'Half'")
        self.assertEqual(
            self.browser.evaluate("document.querySelector('#send').getAttribute('aria-label')"), "Stop"
        )
        self.stand_in.go_on.set()
        self.wait_for_answer()
        self.assertEqual(self.text(f"{LAST} .prose"), "Half and whole")
        self.assertIn("2 tokens", self.text(f"{LAST} .figures"))
        self.assertEqual(self.text("#context-text"), "23 of 8,192 tokens of context")
        [request] = self.stand_in.requests
        self.assertEqual(request["messages"], [{"role": "user", "content": "hello"}])
        self.assertNotIn("temperature", request)
        self.assertEqual(self.titles(), ["hello"])

    def test_markdown_is_drawn_and_html_is_text(self):
        pieces = [MARKDOWN[i : i + 7] for i in range(0, len(MARKDOWN), 7)]
        self.stand_in.answers["markdown"] = lambda *_: iter(pieces)
        self.ask("markdown")
        self.wait_for_answer()
        count = lambda selector: self.browser.evaluate(
            f"document.querySelectorAll('{LAST} .prose {selector}').length"
        )
        for selector, expected in {
            "h3": 1,
            "strong": 1,
            "ul li": 2,
            "tbody td.align-right": 1,
            "pre code": 1,
            "p > code": 1,
            "a": 1,
            "script": 0,
            "img": 0,
            "b": 0,
        }.items():
            self.assertEqual(count(selector), expected, selector)
        self.assertIsNone(self.browser.evaluate("window.bad"))
        self.assertIn('<b id="bad">word</b>', self.text(f"{LAST} .prose"))
        self.assertIn("<script>", self.text(f"{LAST} .prose"))
        self.assertEqual(self.text(f"{LAST} pre"), 'if (a < b) run("<i>");')
        link = self.browser.evaluate(
            f"(({{href, rel}}) => [href, rel])(document.querySelector('{LAST} .prose a'))"
        )
        self.assertEqual(link[0], "https://example.org/a")
        self.assertIn("noopener", link[1])
        self.browser.evaluate(
            "document.execCommand = () => window.copied = document.activeElement.value,"
            "Object.defineProperty(navigator, 'clipboard', {value: null})"
        )
        self.browser.click(f"{LAST} [aria-label='Copy code']")
        self.browser.wait("window.copied === 'if (a < b) run(\"<i>\");'")

    def test_escape_and_the_button_stop_an_answer(self):
        self.stand_in.answers["count"] = page_stand_in.endless
        for stop, times in (
            (lambda: self.browser.press("Escape"), 1),
            (lambda: self.browser.click("#send.stop"), 2),
        ):
            self.ask("count")
            self.browser.wait(
                f"document.querySelectorAll('.message').length === {2 * times} && "
                f"document.querySelector('{LAST} .prose').innerText.startsWith('0 1 2')"
            )
            stop()
            self.wait_for_answer()
            self.assertIn("stopped", self.text(f"{LAST} .figures"))
            self.assertTrue(self.text(f"{LAST} .prose").startswith("0 1 2"))
            # What nobody waits for is not computed: the connection is closed.
            end = time.monotonic() + PATIENCE
            while self.stand_in.gone < times and time.monotonic() < end:
                time.sleep(0.01)
            self.assertEqual(self.stand_in.gone, times)
        self.assertEqual(len(self.stand_in.requests), 2)

    def test_an_answer_goes_on_while_another_conversation_is_shown(self):
        self.stand_in.answers["long"] = page_stand_in.held("Begun", " and ended")
        self.ask("long")
        self.browser.wait(f"document.querySelector('{LAST} .prose')?.innerText === 'Begun'")
        self.browser.click("#new-chat")
        self.ask("short")
        self.wait_for_answer(2)
        self.assertEqual(self.text(f"{LAST} .prose"), "You said: short")
        self.browser.wait("document.querySelectorAll('.answering').length === 1")
        self.stand_in.go_on.set()
        self.browser.wait("document.querySelectorAll('.answering').length === 0")
        self.browser.click(".conversations li:nth-child(2) .open")
        self.browser.wait(f"document.querySelector('{LAST} .prose').innerText === 'Begun and ended'")

    def test_messages_are_edited_and_answers_are_asked_for_again(self):
        self.ask("one")
        self.wait_for_answer(2)
        self.ask("two")
        self.wait_for_answer(4)
        self.stand_in.answers["two"] = lambda *_: iter(["Another."])
        self.browser.click(f"{LAST} [aria-label='Answer again']")
        self.browser.wait(f"document.querySelector('{LAST} .prose').innerText === 'Another.'")
        self.wait_for_answer(4)
        self.assertEqual(self.stand_in.requests[2], self.stand_in.requests[1])
        self.browser.click(".message.user [aria-label='Edit message']")
        self.browser.evaluate("document.querySelector('.editor textarea').select()")
        self.browser.type("three")
        self.browser.press("Enter")
        self.browser.wait(f"document.querySelector('{LAST} .prose').innerText === 'You said: three'")
        self.wait_for_answer(2)
        self.assertEqual(self.stand_in.requests[3]["messages"], [{"role": "user", "content": "three"}])
        self.assertEqual(self.titles(), ["three"])

    def test_conversations_survive_a_reload_and_can_be_renamed_and_deleted(self):
        before = len(self.titles())
        self.ask("first talk")
        self.wait_for_answer(2)
        self.browser.click("#new-chat")
        self.ask("second\ntalk")
        self.wait_for_answer(2)
        self.reload()
        self.browser.wait(f"document.querySelectorAll('.conversations li').length === {before + 2}")
        self.assertEqual(self.titles()[:2], ["second", "first talk"])
        self.assertEqual(self.text(f"{LAST} .prose"), "You said: second\ntalk")
        self.browser.click(".conversations [aria-label='Rename second']")
        self.browser.type("Named")
        self.browser.press("Enter")
        self.browser.wait("document.querySelector('.conversations .open').textContent === 'Named'")
        self.browser.click(".conversations li:nth-child(2) .open")
        self.browser.wait(f"document.querySelector('{LAST} .prose').innerText === 'You said: first talk'")
        self.browser.click(".conversations [aria-label='Delete first talk']")
        self.browser.wait(f"document.querySelectorAll('.conversations li').length === {before + 1}")
        self.reload()
        self.browser.wait("document.querySelector('.conversations .open')?.textContent === 'Named'")
        self.assertNotIn("first talk", self.titles())

    def test_settings_and_the_model_reach_the_server(self):
        self.browser.click("[aria-label=Settings]")
        for name, value in (
            ("system", "Be brief."),
            ("temperature", "0.3"),
            ("top_k", "5"),
            ("seed", "7"),
            ("top_p", "3"),
        ):
            self.browser.evaluate(f"(e => {{e.focus(); e.select()}})(document.querySelector('#{name}'))")
            self.browser.type(value)
        self.browser.evaluate("document.querySelector('#input').focus()")
        self.browser.evaluate(
            "(e => {e.value = 'Qwen3-30B-A3B-Q4_K_M'; e.dispatchEvent(new Event('change'))})"
            "(document.querySelector('#model'))"
        )
        self.assertEqual(self.text("#model-state"), "loads with the first message")
        self.ask("hi")
        self.wait_for_answer(2)
        [request] = self.stand_in.requests
        self.assertEqual(request["messages"][0], {"role": "system", "content": "Be brief."})
        self.assertEqual(
            [request[key] for key in ("model", "temperature", "top_k", "seed", "top_p")],
            ["Qwen3-30B-A3B-Q4_K_M", 0.3, 5, 7, 1],
        )
        self.browser.click(".reset")
        self.browser.click("#panel [aria-label=Close]")
        self.browser.evaluate("localStorage.clear()")

    def test_thinking_folds_and_failures_are_said(self):
        self.stand_in.answers["think"] = lambda *_: iter([{"reasoning_content": "Let me see."}, "Yes."])
        self.stand_in.answers["busy"] = (429, "full", [("Retry-After", "3")])
        self.stand_in.answers["break"] = lambda *_: iter(["so far", 1 / 0])
        self.ask("think")
        self.wait_for_answer(2)
        self.assertFalse(self.browser.evaluate(f"document.querySelector('{LAST} .thinking').open"))
        self.assertEqual(self.text(f"{LAST} .body > .prose"), "Yes.")
        self.browser.click(f"{LAST} .thinking summary")
        self.assertEqual(self.text(f"{LAST} .thinking .prose"), "Let me see.")
        self.ask("busy")
        self.wait_for_answer(4)
        self.assertIn("wait 3 s", self.text(f"{LAST} .failure"))
        self.browser.faults = [fault for fault in self.browser.faults if "429" not in fault]

    def test_a_key_is_asked_for_and_sent(self):
        self.stand_in.key = "secret"
        self.ask("hi")
        self.browser.wait("document.querySelector('#key-dialog').open")
        self.browser.type("secret")
        self.browser.press("Enter")
        self.browser.wait("!document.querySelector('#key-dialog').open")
        self.browser.click(f"{LAST} [aria-label='Answer again']")
        self.browser.wait(f"document.querySelector('{LAST} .prose').innerText === 'You said: hi'")
        self.browser.faults = [fault for fault in self.browser.faults if "401" not in fault]
        self.browser.evaluate("localStorage.clear()")

    def test_memory_and_loading_are_shown(self):
        self.stand_in.status["machine"] = {"temperature_celsius": 61.4, "clock_mhz": 2900}
        self.browser.click("[aria-label=Memory]")
        self.browser.wait("document.querySelectorAll('.reading').length === 2")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('.heap-bar').length"), 2)
        self.assertIn("4.4 GiB of 64 GiB", self.text("#panel"))
        self.assertIn("61 °C", self.text("#panel"))
        wide = self.browser.evaluate(
            "(([weights, bar]) => weights.offsetWidth / bar.offsetWidth)"
            "(['.heap-bar .weights', '.heap-bar'].map(s => document.querySelector(s)))"
        )
        self.assertAlmostEqual(wide, 3.4 / 64, delta=0.01)
        self.stand_in.status["models"][0] = {
            "name": "Llama-3.1-8B-Q4_K_M",
            "state": "loading",
            "progress": {"bytes_done": 1 << 30, "bytes_total": 4 << 30},
        }
        self.browser.wait("document.querySelector('main progress')?.value === 2 ** 30")
        self.browser.click("[aria-label=Memory]")
        self.browser.wait("document.querySelector('#panel').hidden")

    def test_dark_and_light(self):
        ground = "getComputedStyle(document.body).backgroundColor"
        light = self.browser.evaluate(ground)
        self.browser.prefer("dark")
        dark = self.browser.evaluate(ground)
        self.assertNotEqual(light, dark)
        self.browser.click("[aria-label='Theme: as the system']")
        self.assertEqual(self.browser.evaluate(ground), light)
        self.reload()
        self.assertEqual(self.browser.evaluate(ground), light)
        self.browser.click("[aria-label='Theme: light']")
        self.browser.prefer("light")
        self.assertEqual(self.browser.evaluate(ground), dark)
        self.browser.click("[aria-label='Theme: dark']")

    def test_a_phone_shows_one_column(self):
        hidden = "!document.querySelector('#sidebar').checkVisibility({visibilityProperty: true})"
        self.browser.resize(360, 740, mobile=True)
        self.browser.wait(hidden)  # until it has slid out, it lies over the button that shows it
        self.stand_in.answers["wide"] = lambda *_: iter(
            [
                MARKDOWN,
                "```\n" + "x" * 300 + "\n```\n" + "y" * 300,
                "\n\n|" + " cell |" * 30 + "\n|" + "--|" * 30,
            ]
        )
        self.browser.evaluate("document.querySelector('#input').focus()")
        self.browser.type("wide")
        self.browser.click("#send")
        self.wait_for_answer(2)
        self.assertLessEqual(self.browser.evaluate("document.scrollingElement.scrollWidth"), 360)
        self.assertLessEqual(self.browser.evaluate("document.querySelector('#scroll').scrollWidth"), 360)
        small = self.browser.evaluate(
            "[...document.querySelectorAll('button')].filter(e => e.checkVisibility()).filter(e => "
            "(r => r.width < 44 || r.height < 44)(e.getBoundingClientRect())).map(e => e.outerHTML)"
        )
        self.assertEqual(small, [])
        self.browser.click("[aria-label=Conversations].icon-button")
        self.browser.wait("document.querySelector('#new-chat').getBoundingClientRect().left >= 0")
        self.browser.press("Escape")
        self.browser.wait(hidden)

    def test_the_server_itself(self):
        if API_SERVER is None:
            self.skipTest("no server was named")
        server = subprocess.Popen([API_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.browser.open(server.stdout.readline().strip() + "/")
            self.browser.wait("document.querySelector('#model').value === 'fake'")
            self.ask("SAY **Loud** and clear")
            self.wait_for_answer(2)
            self.assertEqual(self.text(f"{LAST} .prose strong"), "Loud")
            self.assertIn("tokens", self.text(f"{LAST} .figures"))
        finally:
            server.communicate()
        # It tells nothing of its state, and is gone by now.
        self.browser.faults = [
            fault for fault in self.browser.faults if "Failed to load resource" not in fault
        ]


if __name__ == "__main__":
    if find_chromium() is None:
        print("skipped: there is no Chromium")
        sys.exit(77)
    if len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
        API_SERVER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
