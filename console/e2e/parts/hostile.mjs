// What a server says to deceive whoever reads it does nothing.

export async function hostile({ open, check, at }) {
  const page = await open();
  for (const path of ["server?name=hostile", "calls?query=server%3Dhostile&range=15m", "calls?query=kind%3Dstderr%20server%3Dhostile"]) {
    await page.goto(at(path));
    await page.locator("main .foreign", { hasText: /onerror|bold/ }).first().waitFor();
    const seen = await page.evaluate(() => ({
      made: document.querySelectorAll("main img, main script, main b > b").length,
      caught: window.caught === 1,
      hidden: /[\u001b\u202e\u2066]/.test(document.body.innerText),
      long: document.body.innerText.length,
    }));
    check(`inert: ${path}`, seen.made === 0 && !seen.caught && !seen.hidden && seen.long < 200_000, seen);
  }
  await page.locator(".record").first().click();
  await page.locator("dialog").waitFor();
  check("inert: opened", await page.evaluate(() => document.querySelectorAll("dialog img, dialog script").length === 0 && !/[\u001b\u202e]/.test(document.body.innerText)));
  await page.context().close();
}
