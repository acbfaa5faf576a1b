// Writes golden token ids, decided by llama.cpp itself (the library inside node-llama-cpp).
//
//   node make_golden.mjs ids <model.gguf> <out.json> "<note on the model>" [<vocab.json to include>]
//   node make_golden.mjs pre <folder of probe-*.gguf> <out.json>
//
// Run it from a folder where `npm install node-llama-cpp@3.22.1` was done (see README.md).
// Only the vocabulary is loaded; BOS and EOS are never added and special tokens in the text are not parsed.
import {createHash} from "node:crypto";
import {createReadStream, readdirSync, readFileSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {basename, join} from "node:path";
import {pathToFileURL} from "node:url";

const require = createRequire(join(process.cwd(), "package.json"));
const entry = require.resolve("node-llama-cpp");
const {getLlama} = await import(pathToFileURL(entry).href);
const version = JSON.parse(readFileSync(join(entry, "..", "..", "package.json"), "utf8")).version;
const release = JSON.parse(readFileSync(join(entry, "..", "..", "llama", "binariesGithubRelease.json"), "utf8")).release;

export const texts = [
    // Spaces.
    "", " ", "  ", "   ", "Hello", " Hello", "  Hello", "Hello ", "Hello  ", "Hello world", "Hello  world", "Hello   world    again     end",
    " a  b   c    d     e      f       g        h", "a" + " ".repeat(40) + "b", " ".repeat(17),
    // Tabs and line ends.
    "\t", "\t\t", "a\tb", "\t\tindent", "a\n", "\n", "\n\n", "\n\n\n\n", "a\nb", "a\n\nb", "a\r\nb\r\n", "\r\n\r\n", "line \n next", "line\n  next", "a \n\n b", " \n \n ", "\n \t\n x", "a\n" + "\n".repeat(40) + "b",
    // Digits.
    "7", "42", "123", "1234", "1234567890", "3.14159", "1,234,567.89", "x1y22z333", "abc123def4567", "2024-05-17T12:34:56Z", "  12  345", "٣٤٥ ५६७ ½ ² Ⅷ 五", "12345678901234567890123456789012345678901",
    // Letters with accents, composed and decomposed.
    "caf\u00e9 na\u00efve \u00fcber \u00c5ngstr\u00f6m", "cafe\u0301 nai\u0308ve u\u0308ber A\u030angstro\u0308m", "\u00dcBER STRASSE stra\u00dfe \u017fhort \u212aelvin", "Vi\u1ec7t Nam ti\u1ebfng Vi\u1ec7t", "\u0301alone \u0308 marks\u0301\u0302\u0303",
    // Scripts.
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", "\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\u3067\u3059\u3002\u30ab\u30bf\u30ab\u30ca\u30fc", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4! \u1112\u1161\u11ab", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u060c \u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e\u0964 \u0915\u094d\u0937\u0947\u0924\u094d\u0930", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u05e9\u05dc\u05d5\u05dd", "\u1220\u120b\u121d \u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0 \u{20000}\u{2a6d6}",
    // Emoji.
    "\u{1f600}\u{1f680} \u2764\ufe0f", "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466} family", "\u{1f44d}\u{1f3fd}\u{1f44b}\u{1f3ff} \u{1f1eb}\u{1f1f7}\u{1f1ee}\u{1f1f9}", "a\u{1f600}b\u{1f601}1",
    // Code.
    "def f(x: int) -> int:\n    \"\"\"Doc.\"\"\"\n    return x ** 2 + 1  # square\n\n\nclass A:\n\tpass\n", "fn main() {\n    let v: Vec<u32> = (0..10).map(|x| x * 2).collect();\n    println!(\"{v:?}\");\n}\n", "{\"key\": [1, 2.5, null, true], \"n\": {\"a\\n\": \"\\u00e9\"}}", "#include <stdio.h>\nint main(void){printf(\"%d\\n\",1<<2);return 0;}", "<table><tr><td>cell</td></tr></table><b>x</b>", "a_b camelCase PascalCase XMLHttpRequest SCREAMING_CASE kebab-case",
    // Addresses.
    "https://example.org/a/b?c=1&d=%20e#frag", "mail a.b+c@example.co.uk now", "C:\\Users\\me\\file.txt ../x/./y",
    // Contractions.
    "I'm you're he's we'll they'd I've don't", "I'M YOU'RE HE'S WE'LL THEY'D I'VE DON'T", "it\u2019s \u2018quoted\u2019 'tis 'S 'sun 'll", "a'b'c 'd ''s 're're", "Ankara'dan gelen Ali'nin t'est 'Revenge 'LLama 'verse", "HTMLParser's parseJSON2XML iPhone'S \u00c9cole\u00c9T\u00c9 \u01c5ungla \u02b0x",
    // Punctuation.
    "!!!", "...???!!!", " -- --- ---- =====", "(a)[b]{c}<d>", "\"q\" 'q' `q` \u201cq\u201d \u00abq\u00bb", "a/b\\c|d~e^f&g*h%i$j#k@l", "$100 \u20ac50 \u00a3 \u00b1 \u00d7 \u2260 \u221e \u2211", "!\n\n?\r\n...\n", " ,.; :", "\u2014\u2013\u2026\u3001\u3002\uff01\uff1f", "!abc $def \\n _x -y", "path/to/file /\n//\r\n x/ y", "IMGIMGABCDZ <sentinel:12> b", "a     b" + " ".repeat(9) + "c" + " ".repeat(30), "\t \t  \u3000 x\u00a0 \u00a0y",
    // The project's own prompts.
    "the cat sat on the mat and they had that", "aaaaaaaaaaa ======== aaaa==aaa", "Q: hot\nA: cold\n\nQ: big\nA:", "example:France->Paris\nexample:Italy->", "I feel very happy today because", "The Eiffel Tower is in the city of",
    // Controls and odd spaces.
    "\u0000", "a\u0000b", "\u0001\u0002\u001b[0m\u007f", "\u001c\u001d\u001e\u001f", "a\u00a0b\u2003c\u3000d\u200be\ufefff\u2028g\u0085h", "\u000b\u000c x", "\ufffd\ufffe\u{10ffff}\ue000",
    // Text that looks like special tokens.
    "<|im_start|>user\nhi<|im_end|>", "<bos>text<eos>", "<s>text</s> <unk> <pad>", "<|endoftext|>", "<start_of_turn>user\n<end_of_turn>", "<0x0A><0xFF>", "<unused0> <mask> <tool_call>x</tool_call>", "\u2581a\u2581\u2581b \u2581", "<think>\n\n</think>", "a[multimodal]b [multimodal] c<tool_call><tool_call>d", "<unused0> the<s>cat</s> <s>",
    // Long words and mixtures.
    "antidisestablishmentarianism" + "pneumonoultramicroscopicsilicovolcanoconiosis".repeat(3), "a".repeat(100), "ab".repeat(61), "=".repeat(75) + "-".repeat(33) + "#", "\u0121\u00a1\u0100\u0120\u010a", "The quick brown fox, aged 12, jumped over 3 lazy dogs; it's 99.9% true!\nNext line\u2014caf\u00e9 \u4f60\u597d \u{1f600}.",
];

async function sha256(path) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    return hash.digest("hex");
}

const llama = await getLlama({build: "never", gpu: false, logLevel: "error"});
const load = (modelPath) => llama.loadModel({modelPath, vocabOnly: true, gpuLayers: 0});
const ids = (model, text) => text === "" ? [] : Array.from(model.tokenize(text, false));
const made_with = `llama.cpp ${release} in npm node-llama-cpp ${version} (prebuilt @node-llama-cpp/linux-x64 ${version}), vocabOnly, tokenize(text, specialTokens = false)`;
const line = (value) => JSON.stringify(value).replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

const [mode, source, out, note, vocabulary] = process.argv.slice(2);
if (mode === "ids") {
    const model = await load(source);
    const cases = texts.map((text) => "  " + line({text, ids: ids(model, text)}));
    const included = vocabulary ? `"vocabulary": ${line(JSON.parse(readFileSync(vocabulary, "utf8")))},\n ` : "";
    const head = {made_with, model: `${note ?? basename(source)}, sha256 ${await sha256(source)}`};
    writeFileSync(out, `{"made_with": ${line(head.made_with)},\n "model": ${line(head.model)},\n ${included}"cases": [\n${cases.join(",\n")}\n]}\n`);
} else if (mode === "pre") {
    // In the probe vocabulary every byte is a token and so is every pair of bytes: the ids follow from the text and each
    // token's length in bytes, so one digit a token ("1" or "2") says them all.
    const groups = new Map();
    for (const name of readdirSync(source).filter((f) => f.endsWith(".gguf")).sort()) {
        const pre = name.replace(/^probe-/, "").replace(/\.gguf$/, "");
        let model;
        try { model = await load(join(source, name)); } catch (error) { console.error(`${pre}: llama.cpp does not load it: ${error.message}`); continue; }
        const lengths = texts.map((text) => ids(model, text).map((id) => id < 256 ? 1 : 2).join(""));
        const key = JSON.stringify(lengths);
        if (!groups.has(key)) groups.set(key, {pre: [], lengths});
        groups.get(key).pre.push(pre);
        await model.dispose();
    }
    const body = [...groups.values()].map(({pre, lengths}) => ` {"pre": ${line(pre)},\n  "lengths": [\n${lengths.map((l) => "   " + line(l)).join(",\n")}]}`);
    writeFileSync(out, `{"made_with": ${line(made_with)},\n "texts": [\n${texts.map((t) => "  " + line(t)).join(",\n")}],\n "groups": [\n${body.join(",\n")}]}\n`);
} else {
    console.error("usage: make_golden.mjs ids MODEL.gguf OUT.json [NOTE [VOCAB.json]] | pre FOLDER OUT.json");
    process.exit(2);
}
process.exit(0);
