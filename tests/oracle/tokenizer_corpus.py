"""The texts that the tokenizer goldens are made from."""

import random

SCRIPTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Zażółć gęślą jaźń, naïve café — “quoted” ‘text’ … œuvre, Straße, ĲSSELMEER, ﬁne",
    "Þingvellir í Íslandi; Đà Nẵng, Việt Nam; Çanakkale'de İstanbul'da ığdır",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Её, ЁЛКА, ѝ",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΌΣΟ ζῇς φαίνου· ὦ ἄνδρες Ἀθηναῖοι",
    "صِف خَلقَ خَودٍ كَمِثلِ الشَمسِ إِذ بَزَغَت — يَحظى الضَجيعُ بِها نَجلاءَ مِعطارِ، ١٢٣٤٥٦",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם עֲלֵיכֶם",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम। १२३",
    "আমার সোনার বাংলা, আমি তোমায় ভালোবাসি",
    "தமிழ் மொழி எங்கள் உயிர் மொழி",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓",
    "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "天地玄黃 宇宙洪荒 日月盈昃 辰宿列張 㐀㐁 𠀀𠀁𪚥 龘",
    "いろはにほへと ちりぬるを ワカヨタレソ ツネナラム 有為の奥山けふ越えて ﾊﾝｶｸ カﾞ",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 각 ㄱㄴㄷ",
    "ქართული ენა, Հայերէն լեզու, አማርኛ ፩፪፫, ᚠᚢᚦᚨᚱᚲ, ᏣᎳᎩ, ភាសាខ្មែរ, မြန်မာ, བོད་སྐད་, ᠮᠣᠩᠭᠣᠯ\u180e",
    "Ünïcödé ÀÉÎÕÜ àéîõü ß ẞ ſ K Å ŉ ǆ ǅ Ǆ ʰ ª º",
    "ᾳ ᾼ ΐ ῒ ώ ώ Ω µ μ",
]

CONTRACTIONS = [
    "I'm you're he's she'd we'll they've isn't it's",
    "I'M YOU'RE HE'S SHE'D WE'LL THEY'VE ISN'T IT'S",
    "I'm You'Re HE's o'clock 'tis 'twas rock'n'roll y'all'd've d'accord L'été 'S'T'RE",
    "I’m you’re it’s can’t ‘quoted’ don’T",
    "a'ſ b'ſt 'ſ 'K THE'LLAMA 'll'm're've 's''t 's",
    "'''''' ''s ' s 't't't'",
    "CamelCaseIdentifier HTTPServer iPhone XMLHttpRequest snake_case_name SCREAMING_SNAKE kebab-case aB Ab AB ab",
    "ÀÉîõ ЖЖжж ΑΒγδ ǅungla ǅ ʰa Aʰ ªB ÉÉ'S éé'LL ĄĘ'd",
]

NUMBERS = [
    "0 1 12 123 1234 12345 123456 1234567 12345678901234567890",
    "3.14159 1,000,000 -42 +7 1e-10 0x7FFF 0b1010 1_000 50% $9.99 €1.234,56 №5 1st 2nd ½ ¾ ² ³ ① Ⅷ ٣٤ ൧൨ 一二三",
    "2024-02-29T23:59:59.999Z 192.168.0.1 ::1 +1 (555) 010-9999 v1.2.3-rc.4 10km 5x7 a1b2c3 x86_64 100000 1000 000",
    "１２３４ ㊀ 𝟙𝟚𝟛 ²³¹ 1²2³",
    " 1 22  333   4444\t55555\n666666",
]

WHITESPACE = [
    "",
    " ",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\n\n\n\n\n\n\n\n\n\n\n\n",
    "\t",
    "\t\t\tx",
    "\r\n",
    "a\r\nb\r\n\r\nc\r\r\n",
    " leading",
    "  two leading",
    "trailing ",
    "trailing   ",
    "trailing\n",
    "trailing \n \n ",
    "a  b   c    d     e      f",
    "a \t b\t \tc \n d\n \ne",
    "line one\n  indented\n\tboth \t\n\n\n   end   ",
    "non\u00a0breaking\u00a0\u00a0spaces \u00a0 mixed",
    "line\u2028separator\u2029paragraph \u2028 \u2029",
    "ideographic\u3000space\u3000\u3000 x\u3000",
    "en\u2002em\u2003thin\u2009hair\u200aogham\u1680nnbsp\u202fmath\u205f x",
    "next\u0085line \u0085 \u0085\u0085x",
    "mongolian\u180evowel \u180e separator\u180e\u180e",
    "zero\u200bwidth\u200c \u200d \u2060 \ufeff bom",
    "vertical\x0btab form\x0cfeed \x0b\x0c x \x1c\x1d\x1e\x1f",
    " \n \n\n  \n\t\n x",
    "\n x\n\n y\r\n\r\n  z",
    "." + " " * 100 + "." + "\n" * 50 + "." + "\t" * 40 + "." + " \n" * 20 + ".",
    " " * 300,
    "\n" * 300,
    "    def f():\n        return 1\n\n\n    x = 2\n",
    "▁ ▁▁ a▁b ▁c Ġ Ġa Ċ",
]

EMOJI = [
    "😀 😃😄😁 🤣",
    "👨‍👩‍👧‍👦 👩🏽‍💻 🏳️‍🌈 🏴‍☠️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 ❤️‍🔥",
    "🇩🇪🇫🇷🇯🇵 🇺🇳 🇦",
    "1️⃣ #️⃣ *️⃣ ☎︎ ☎️ ✌🏿 ♀ ♂️",
    "text😀text 😀😀 😀!!! 🎉🎉🎉\n🎉",
    "(╯°□°）╯︵ ┻━┻ ¯\\_(ツ)_/¯ ʕ•ᴥ•ʔ ಠ_ಠ",
]

MARKS = [
    "e\u0301 a\u030a o\u0308 n\u0303 c\u0327 \u0301 x\u0301\u0302\u0303",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dA\u036b\u0357\u0334\u0362",
    "\u1112\u1161\u11ab \u1100\u1161 \u1100\u1161\u11a8\u11a8 한\u11ab",
    "\u212b \u2126 \u212a \uf900 \u0344 \u0958 \ufb1d \u2adc \u0340\u0341",
    "q\u0307\u0323 q\u0323\u0307 \u1e0b\u0323 a\u0323\u0302 a\u0302\u0323",
    "cafe\u0301 CAFE\u0301 re\u0301sume\u0301 Vie\u0323\u0302t Nam ко\u0306т й и\u0306",
    "が か\u3099 ぱ は\u309a ヾ\u3099 बि\u093c \u0915\u093c",
    "a\u0300" * 40,
]

CODE = [
    '#include <vector>\nint main() {\n\tstd::vector<int> v{1, 2, 3};\n\tfor (auto&& x : v) { x <<= 2; }\n\treturn v[0] != 4 ? -1 : 0;  // done\n}\n',
    "def fib(n: int) -> int:\n    \"\"\"Returns fib(n).\"\"\"\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a  # O(n)\n\n\nprint(f'{fib(10)!r:>5}')\n",
    "fn main() -> Result<(), Box<dyn Error>> {\n    let s: &'static str = r#\"raw \"string\"\"#;\n    println!(\"{s:?}\");\n    Ok(())\n}\n",
    "const f = async ({a, ...rest}) => { await x?.y ?? `t${a}`; }; // ===\nexport default f;\r\n",
    "SELECT u.id, COUNT(*) AS n FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.name LIKE '%O''Brien%' GROUP BY 1;",
    "<!DOCTYPE html>\n<div class=\"a b\" id='x'>\n  <p>&nbsp;Text &amp; more</p>\n  <br/><!-- comment -->\n</div>\n",
    "for f in $(ls *.txt); do echo \"${f%.txt}\" | sed -e 's/a\\/b/c/g' >> out 2>&1 && exit $?; done",
    '{"name": "Caldera", "list": [1, 2.5, -3e7, true, null], "nested": {"k\\u00e9y": "v\\n"}, "s": "\\"q\\""}',
    "x = a[i++] += *p->q & ~0xFFu | (b ^ c) % 2 >= 3 && !d || e;/* c */ //////// ======== -------- ******** ####",
    "https://example.org/a/b?c=d&e=%20f#g mailto:a.b+c@example.co.uk C:\\Users\\x\\ /usr/local/bin ../../etc //path/ a/\n/b\n/",
    "| a | b |\n|---|:-:|\n| 1 | `2` |\n\n# Title\n\n- [ ] item **bold** _it_\n1. one\n2. two\n\n```cpp\nint x;\n```\n> quote",
    "\\begin{align} e^{i\\pi} + 1 &= 0 \\\\ \\int_0^\\infty f(x)\\,dx \\end{align} $$\\alpha_{1}^{2}$$",
    "\tif err != nil {\n\t\treturn fmt.Errorf(\"x: %w\", err)\n\t}\n\n\tdefer func() { recover() }()\n",
    "!!! ??? ... ,,, ;;; ::: ((())) [[[]]] {{{}}} <<<>>> --- ___ === +++ *** /// \\\\\\ ||| &&& %%% $$$ ### @@@ ^^^ ~~~ ```",
    " !a ?b .c ,d ;e :f (g [h {i <j -k _l =m +n *o /p \\q |r &s %t $u #v @w ^x ~y `z \"A 'B",
    "...\n!!!\n\n;;;\r\n}\n}\n\n);\n",
]

SPECIAL = [
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi <|im_end|> \n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "<s>[INST] Hello [/INST] Hi!</s>[INST]Again[/INST]",
    "<s> x </s>  y <s></s><unk> z",
    "<|endoftext|>text<|endoftext|><|endoftext|>",
    "<|start|>system<|message|>You are ChatGPT<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
    "<tool_call>\n{\"name\": \"f\"}\n</tool_call><tool_response>x</tool_response><|fim_prefix|>a<|fim_suffix|>b",
    "<|im_start <|im_start| <|im_start|im_end|> <<|im_end|>> < |im_end|> <|IM_END|>",
    "<|reserved_special_token_1|><|reserved_special_token_10|><|reserved_special_token_100|><SPECIAL_99><SPECIAL_999>",
    "<0x0A> <0xFF> <0xZZ> <unk> [PAD] <pad> [MASK]",
    "a<s>b</s>c d <s> e",
    " <|endoftext|> ",
    "<repo_name>x<file_sep>y<jupyter_code>1<empty_output>",
]

WORDS = [
    "a" * 1000,
    "A" * 500 + "b" * 500,
    "supercalifragilisticexpialidocious" * 20,
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "ab" * 300 + "c",
    "的" * 300,
    "." * 500,
    "9" * 301,
    "0123456789" * 20,
    "-=" * 200,
    "é" * 200 + "É" * 100,
    "😀" * 60,
    "x" * 7 + "y" * 7 + "xyxyyx" * 30,
]

CONTROL = [
    "\x00",
    "a\x00b\x01\x02\x03c\x7f",
    "".join(map(chr, range(1, 32))),
    "".join(map(chr, range(127, 256))),
    "\ufffd \ufffe \uffff \U0001fffe \U0010ffff \ue000 \U000f0000",
    "\u202eright to left\u202c \u2066isolate\u2069 \u00ad soft-\u00adhyphen",
]

PROSE = [
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair.",
    "Hello, world! How are you today? I'm fine; thanks. (Really!) — \"Indeed,\" she said.",
    "In 2023, GPT-4 scored 86.4% on MMLU; Llama 3.1 405B reached 88.6%.",
    "Dear Sir/Madam,\n\nPlease find attached…\n\nKind regards,\nJ. R. R. Tolkien\n\nP.S.: No, really.\n",
]

# Characters of every class that the patterns tell apart, for texts nobody would think of.
ALPHABET = (
    list("aabcdestmlrvxyzABSTLLDVREM0123456789''''\n\n\r\t     .,!?/_-<>|#")
    + ["\u00a0", "\u3000", "\u2028", "\u0085", "\u180e", "é", "É", "ß", "ǅ", "ʰ", "ª", "ж", "Ж", "中", "あ", "한", "क", "\u093f"]
    + ["\u0301", "\u0323", "\u20dd", "½", "Ⅷ", "٣", "²", "😀", "\u200d", "\ufe0f", "€", "’", "ſ", "K", "'s", "'LL", "  "]
)


def random_texts(count):
    generator = random.Random(20240229)
    return ["".join(generator.choices(ALPHABET, k=generator.randint(5, 120))) for _ in range(count)]


def texts():
    fixed = SCRIPTS + CONTRACTIONS + NUMBERS + WHITESPACE + EMOJI + MARKS + CODE + SPECIAL + WORDS + CONTROL + PROSE
    return fixed + random_texts(60)
