"""Takes the picture of the page that the docs show. What it answers, and every figure in it, is made up.

Usage: page_picture.py OUTPUT.png [light|dark]
"""

import sys
import time

from page_browser import Browser, find_chromium
from page_stand_in import GIB, StandIn, loaded

EARLIER = (
    "A regular expression for ISO dates",
    "Plan a week in Iceland by bus",
    "Why does my loop never end?",
    "Words that sound older than they are",
    "Names for a small volcano",
)
QUESTION = "How much memory does the context of a 30B model take? Give me a function and a few numbers."
ANSWER = """Every token leaves a key and a value **in each layer**, so the size grows with the length of the context:

```python
def kv_bytes(tokens: int, layers=48, kv_heads=4, head=128, size=2) -> int:
    # A key and a value for each head that is kept.
    return 2 * layers * kv_heads * head * size * tokens
```

| Context | f16 | q8_0 |
|--:|--:|--:|
| 8,192 tokens | 0.75 GiB | 0.40 GiB |
| 32,768 tokens | 3.0 GiB | 1.6 GiB |
| 131,072 tokens | 12 GiB | 6.4 GiB |

Two ways to need less of it:

1. Store it in `q8_0`: half the size, hardly a difference.
2. Share what prompts have in common.
"""


def status():
    usual = [
        (64 * GIB, True, int(17.3 * GIB), int(3.1 * GIB), int(0.6 * GIB), 0, int(21.6 * GIB)),
        (48 * GIB, False, 0, 0, 0, int(0.25 * GIB), int(0.25 * GIB)),
    ]
    large = [
        (64 * GIB, True, int(34 * GIB), int(1.4 * GIB), int(0.9 * GIB), 0, int(36.5 * GIB)),
        (48 * GIB, False, int(5.6 * GIB), 0, 0, int(0.25 * GIB), int(6.4 * GIB)),
    ]
    return {
        "version": "0.1.0",
        "seconds": 8040.0,
        "connections": 3,
        "requests": 1,
        "machine": {
            "temperature_celsius": 63.0,
            "max_temperature_celsius": 85.0,
            "power_watts": 88.0,
            "clock_mhz": 2860,
        },
        "models": [
            loaded(
                "Qwen3-30B-A3B-Q4_K_M",
                30532122624,
                "Q4_K",
                32768,
                usual,
                6 * GIB,
                [{"stage": "answering"}, {"stage": "answering"}],
                64.2,
            ),
            loaded("Llama-3.3-70B-Q4_K_M", 70553706496, "Q4_K", 16384, large, 5 * GIB),
            {"name": "Llama-3.1-8B-Q8_0", "state": "available"},
        ],
    }


def written(*_):
    """At the pace of a real answer."""
    time.sleep(0.4)
    for i in range(0, len(ANSWER), 6):
        yield ANSWER[i : i + 6]
        time.sleep(1 / 70)
    yield {"usage": {"prompt_tokens": 3104}}


def ask(browser, text, count):
    browser.evaluate("document.querySelector('#input').focus()")
    browser.type(text)
    browser.press("Enter")
    browser.wait(
        f"document.querySelectorAll('.message').length === {count} && "
        "document.querySelector('.message:last-child').getAttribute('aria-busy') === 'false'"
    )


def main(output, scheme="light"):
    stand_in, browser = StandIn(), Browser(find_chromium())
    try:
        stand_in.status = status()
        stand_in.answers[QUESTION] = written
        browser.resize(1360, 880)
        browser.prefer(scheme)
        browser.open(stand_in.url)
        browser.wait("document.querySelector('.greeting p')?.textContent")
        for text in reversed(EARLIER):
            ask(browser, text, 2)
            browser.click("#new-chat")
        browser.click("[aria-label=Memory]")
        ask(browser, QUESTION, 2)
        browser.evaluate("document.querySelector('#scroll').scrollTop = 0")
        browser.evaluate("document.activeElement.blur()")
        browser.wait("document.querySelector('.reading')")
        time.sleep(0.3)  # scroll bars and buttons fade
        browser.screenshot(output)
    finally:
        browser.close()
        stand_in.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
