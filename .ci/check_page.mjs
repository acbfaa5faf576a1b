// Opens a report in headless Chromium and uses it by mouse and by keyboard; axe-core looks for what keeps people out.
//
//   node check_page.mjs REPORT.html SCREENSHOTS     with playwright-core and axe-core beside the working folder, Chromium at CHROMIUM
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";

const require = createRequire(resolve("package.json"));
const { chromium } = require("playwright-core");
const axe_source = readFileSync(require.resolve("axe-core"), "utf8");
const [page_path, shots] = process.argv.slice(2);
const fail = (text) => {
  console.error(`error: ${text}`);
  process.exit(1);
};
const must = (condition, text) => condition || fail(text);
mkdirSync(shots, { recursive: true });

must(statSync(page_path).size <= 3 * 2 ** 20, "the page has more than 3 MB");

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const requests = [], errors = [];
async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("request", (r) => r.url().startsWith("file:") || requests.push(r.url()));
  page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
  page.on("pageerror", (e) => errors.push(String(e)));
  await page.goto(`file://${resolve(page_path)}`);
  return page;
}

for (const width of [390, 1280, 1920]) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ viewport: { width, height: 1000 }, colorScheme });
    await page.screenshot({ path: `${shots}/${width}-${colorScheme}.png` });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    must(!wide, `at ${width} px the page itself scrolls sideways`);
    await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
    // Evaluated, not loaded: the page's own policy forbids scripts of others.
    await page.evaluate(axe_source);
    const found = await page.evaluate(() => axe.run(document));
    must(found.passes.length > 10, "axe looked at nothing");
    const serious = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
    const told = serious.map((v) => `${v.id}: ${v.help} (${v.nodes.length}: ${v.nodes[0].html.slice(0, 120)})`);
    must(serious.length === 0, `axe at ${width} px, ${colorScheme}:\n${told.join("\n")}`);
    await page.context().close();
  }
}

// By mouse: a verdict opens its card, a filter hides the others.
const page = await open({ viewport: { width: 1280, height: 1000 } });
const cards = await page.locator("article").count();
const first = page.locator("a.verdict").first();
const target = (await first.getAttribute("href")).slice(1);
await first.click();
must(await page.locator(`#${target} details`).first().evaluate((d) => d.open), "a verdict does not open its card");
const task = page.locator("select[data-filter=task]");
const wanted = await task.locator("option").nth(1).getAttribute("value");
await task.selectOption(wanted);
const visible = () => page.locator("article:visible").count();
const of_task = await page.locator(`article[data-task="${wanted}"]`).count();
must((await visible()) === of_task && of_task < cards, "the filter by task does not hide the other cards");
await task.selectOption("");
must((await visible()) === cards, "a filter that is taken away does not show everything again");

// A figure says what is pointed at, and is saved in three forms.
const figure = page.locator("#figures figure").first();
await figure.locator("circle, rect").first().dispatchEvent("pointerover");
must((await figure.locator(".save output").textContent()).length > 3, "a figure does not say what is pointed at");
for (const [form, sign] of [["SVG", "<svg"], ["PNG", "\x89PNG"], ["CSV", ","]]) {
  const [download] = await Promise.all([page.waitForEvent("download"), figure.locator("button", { hasText: form }).click()]);
  const text = readFileSync(await download.path(), "latin1");
  must(download.suggestedFilename().endsWith(`.${form.toLowerCase()}`) && text.includes(sign), `a figure is not saved as ${form}`);
  must(form !== "SVG" || text.includes("<style>"), "a saved SVG has no colours of its own");
  must(form !== "PNG" || text.length > 5000, "a saved PNG is empty");
}

// By keyboard: to the first select, another choice; to the summary of a card, Enter.
const keys = await open({ viewport: { width: 1280, height: 1000 } });
const focused = () => keys.evaluate(() => document.activeElement.tagName + (document.activeElement.dataset.filter ?? ""));
for (let i = 0; i < 40 && (await focused()) !== "SELECTtask"; i++) await keys.keyboard.press("Tab");
must((await focused()) === "SELECTtask", "the filters cannot be reached by Tab");
await keys.keyboard.press("ArrowDown");
must((await keys.locator("article:visible").count()) < cards, "a filter cannot be used by keyboard");
const summary = keys.locator("article:visible summary").first();
await summary.focus();
await keys.keyboard.press("Enter");
must(await keys.locator("article:visible details").first().evaluate((d) => d.open), "a card cannot be opened by keyboard");
const search = keys.locator("article:visible [data-search]").first();
if (await search.count()) {
  await keys.locator("article:visible details.items summary").first().click();
  await search.fill("no item says this");
  must((await keys.locator("article:visible details.items tbody tr:visible").count()) === 0, "the search does not hide items");
}

must(requests.length === 0, `the page asks the network for ${requests[0]}`);
must(errors.length === 0, `the console says: ${errors[0]}`);
await browser.close();
console.log(`${cards} cards used by mouse and keyboard at three widths, light and dark; no request, no error, no serious violation`);
