// The bill and its measures, recommendations with what-if, the replay, whose cost it was.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../gateway.mjs";

export async function cost({ gateway, folder, open, axe, check, at }) {
  // What was not sampled yet cannot be asked for.
  const load = async () => JSON.parse((await gateway.api("/api/pilothouse/cost/replay?server=files&since=15m")).text).load.length > 1;
  await until("a load that was recorded", load);
  const page = await open();
  await page.goto(at("cost?range=15m"));
  await page.locator("tr.total").first().waitFor();
  check("without prices it is said how to set them", (await page.locator(".hint", { hasText: "placeholders" }).count()) === 1 && (await page.locator(".hint pre", { hasText: "cpu_hour" }).count()) === 1);
  await page.locator("td", { hasText: "suite-client" }).first().waitFor();
  check("whose cost it was is told by client", true);
  await axe(page, "cost");

  // Prices of the configuration are taken up without a word.
  const file = join(folder, "pilothouse.yaml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, `${before}\ncost: {currency: EUR, cpu_hour: 0.03, gib_hour: 0.004, fixed: {database: 200}}\n`);
  await page.locator("td", { hasText: "database" }).first().waitFor();
  await page.locator(".amount", { hasText: "EUR" }).waitFor();
  check("other prices are seen live", (await page.locator(".hint").count()) === 0);

  // Measures: what is missing is told beside its field; what is added takes off, and stands in the address.
  await page.locator(".add-measure button[type=submit]").click();
  check("a measure needs a name and a number", (await page.locator("#measure-name-wrong").textContent()) !== "" && (await page.locator("#measure-wrong").textContent()) !== "");
  await page.locator("#measure-name").fill("<b>smaller</b>");
  await page.locator(".add-measure select").first().selectOption("database");
  await page.locator("#measure-value").fill("50");
  await page.locator(".add-measure button[type=submit]").click();
  await page.locator(".measures li", { hasText: "<b>smaller</b>" }).filter({ hasText: "50 % of the row" }).waitFor();
  await page.locator(".before-after", { hasText: /[1-9]\d*\.\d+ saved/ }).waitFor();
  const address = page.url();
  await page.reload();
  await page.locator(".measures li", { hasText: "<b>smaller</b>" }).waitFor();
  check("measures stand in the address", page.url() === address && address.includes("measures="), page.url());
  page.expects = ["400"];
  await page.locator("#measure-name").fill("too much");
  await page.locator(".add-measure select").first().selectOption("database");
  await page.locator("#measure-value").fill("90");
  await page.locator(".add-measure button[type=submit]").click();
  await page.locator("#measure-wrong", { hasText: "too much" }).waitFor();
  check("a measure that takes more than is left is told beside its field", true);
  await axe(page, "cost, a measure that is refused");
  await page.locator(".measures li", { hasText: "too much" }).locator("button").click();
  await page.locator(".before-after").waitFor();

  // What if: an answer is a replay of what was recorded; what is wrong is told beside its field.
  await page.locator(".what-if select").selectOption("files");
  await page.locator("#what-if-cpu_request").fill("lots");
  await page.locator(".what-if button[type=submit]").click();
  await page.locator("#cpu_request-wrong", { hasText: "500m" }).waitFor();
  check("a wrong field of the form is marked", (await page.locator("#what-if-cpu_request").getAttribute("aria-invalid")) === "true");
  await axe(page, "cost, a field that is wrong");
  await page.locator("#what-if-cpu_request").fill("500m");
  await page.locator("#what-if-min").fill("3");
  await page.locator("#what-if-new_min").fill("1");
  await page.locator("#what-if-cpu_hour").fill("0.5");
  await page.locator(".what-if button[type=submit]").click();
  const row = (name) => page.locator("tr", { has: page.locator("b", { hasText: new RegExp(`^${name}$`) }) });
  await row("Proposed").waitFor();
  const amounts = async (name) => (await row(name).locator("td").allTextContents()).slice(1).map((text) => Number.parseFloat(text.replace(/[^0-9.]/g, "")));
  const [today, proposed] = [await amounts("Today"), await amounts("Proposed")];
  check("fewer replicas at least are fewer, and cost less", today[0] >= 3 && proposed[0] < today[0] && proposed[6] < today[6], { today, proposed });
  check("load and replicas are drawn", (await page.locator(".chart canvas").count()) === 2);
  check("what if stands in the address", /new_min=1/.test(page.url()) && /server=files/.test(page.url()), page.url());
  const asked = await gateway.api("/api/pilothouse/cost/replay?server=files&since=15m&points=40");
  check("there are no more points than were asked for", JSON.parse(asked.text).load.length <= 40);
  await axe(page, "cost, replayed");
  page.expects = [];

  writeFileSync(file, before);
  await page.context().close();
}
