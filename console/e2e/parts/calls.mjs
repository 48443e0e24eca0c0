// Calls: found, opened, followed; and the trace of one.
import { until } from "../gateway.mjs";
import { call } from "../traffic.mjs";

export async function calls({ gateway, open, axe, check, at }) {
  const page = await open();
  await page.goto(at(`calls?query=${encodeURIComponent("tool=searchFiles duration>=20ms")}&order=slowest`));
  await page.locator(".record").first().waitFor();
  check("calls are found", (await page.locator(".record .what", { hasText: "searchFiles" }).count()) > 0);
  check("there is a histogram", (await page.locator(".bars rect").count()) > 0);
  await axe(page, "calls");
  await page.locator("#query").fill("stat");
  await page.locator(".offers button", { hasText: "status" }).click();
  check("fields are completed", (await page.locator("#query").inputValue()) === "status=");
  page.expects = ["400"];
  await page.locator("#query").fill("level>=warning");
  await page.keyboard.press("Enter");
  await page.locator("#query-wrong", { hasText: "warning" }).waitFor();
  check("what is wrong is told beside the field", true);
  page.expects = [];
  await page.locator("#query").fill("tool=searchFiles outcome=ok");
  await page.keyboard.press("Enter");
  await page.locator(".record").first().click();
  await page.locator("dialog pre", { hasText: "maxResults" }).waitFor();
  await axe(page, "a call");
  await page.locator("dialog a", { hasText: "Trace" }).click();
  await page.locator(".waterfall", { hasText: "fs.stat" }).waitFor();
  check("the bottleneck is named", (await page.locator("body").textContent()).includes("Bottleneck"));
  await axe(page, "trace");
  const address = page.url();
  await page.reload();
  await page.locator(".waterfall", { hasText: "fs.readdir" }).waitFor();
  check("a trace has its address", page.url() === address && /id=[0-9a-f]{32}/.test(address));
  // Followed, new calls come by themselves.
  await page.goto(at("calls?follow=1&query=tool%3Decho"));
  await page.locator("button[aria-pressed=true]").waitFor();
  await until("a call that is followed", async () => {
    await call(gateway.listen, "files", "echo", { text: "followed" }, "follower");
    return (await page.locator(".record", { hasText: "follower" }).count()) > 0;
  });
  check("calls are followed", true);
  await page.context().close();
  await counted({ open, axe, check, at });
}

/** With so few calls a bound of its own is what makes a page count the newest only. */
async function counted({ open, axe, check, at }) {
  const page = await open();
  const bounds = [];
  await page.route(/\/logs\/(top|histogram)\?/, (route) => {
    const url = new URL(route.request().url());
    if (url.searchParams.has("lines_max")) url.searchParams.set("lines_max", "1");
    bounds.push(url.searchParams.get("lines_max"));
    return route.continue({ url: url.href });
  });
  await page.goto(at(`calls?query=${encodeURIComponent("kind=call client=*")}`));
  const notes = page.getByText(/^Counted among the newest \d+ records, since /);
  await notes.first().waitFor();
  // The bars and three fields: whether a call fits stands in its line.
  await until("each count says that it is of the newest", async () => (await notes.count()) === 4 || undefined);
  check("what was not counted is marked", (await page.locator(".bars .uncounted").count()) === 1);
  await axe(page, "calls, the newest counted");
  await page.getByRole("button", { name: "Count all" }).first().click();
  await until("all are counted", async () => ((await page.locator(".most li").count()) > 0 && (await notes.count()) === 0) || undefined);
  check("all are counted when it is asked for", bounds.includes(null) && (await page.locator(".bars .uncounted").count()) === 0, bounds.join());
  await page.context().close();
}
