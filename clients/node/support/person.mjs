// What a person does on Hilum's pages, in a real browser. Elements are found by what the forms are made of, not by words.

/** The form of one step. */
export function form(page, step) {
  return page.locator(`form:has(input[name="step"][value="${step}"])`);
}

/** Which step the page is at, or nothing. */
export async function step(page) {
  const found = page.locator('form input[name="step"]').first();
  return (await found.count()) ? found.getAttribute("value") : undefined;
}

/** Types name and password. */
export async function fillIn(page, { person, password }) {
  const fields = form(page, "sign-in");
  await fields.locator('input[name="username"]').fill(person);
  await fields.locator('input[name="password"]').fill(password);
}

/** Types name and password and sends them. */
export async function signIn(page, somebody) {
  await fillIn(page, somebody);
  await form(page, "sign-in").locator("button").click();
}

/** Accepts or refuses what a consent page asks. */
export async function decide(page, decision) {
  await form(page, "consent").locator(`button[name="decision"][value="${decision}"]`).click();
}

/** All of it, whatever is asked, until the browser is somewhere else. */
export async function through(page, origin, { person, password }) {
  await form(page, "sign-in").waitFor();
  await signIn(page, { person, password });
  const consent = form(page, "consent");
  const left = page.waitForURL((url) => url.origin !== origin, { waitUntil: "commit" }).then(() => "left");
  const next = await Promise.race([left, consent.waitFor().then(() => "consent")]);
  if (next === "consent") await decide(page, "accept");
  await left;
}

/** Does something that leads to another page, and waits for that. */
export async function press(page, action) {
  const arrived = page.waitForNavigation();
  await action();
  await arrived;
}

/** Answers page after page by its step, whichever come, looking at each before; the steps that came. */
export async function go(page, { person, password, code }, look = async () => {}) {
  const ways = {
    code: async (fields) => {
      await fields.locator('input[name="user_code"]').fill(code);
      await fields.locator("button").click();
    },
    "sign-in": () => signIn(page, { person, password }),
    consent: () => decide(page, "accept"),
    decide: (fields) => fields.locator('button[name="decision"][value="accept"]').click(),
  };
  const seen = [];
  for (let at = await step(page); ways[at]; at = await step(page)) {
    await look(page, at);
    seen.push(at);
    await press(page, () => ways[at](form(page, at)));
  }
  return seen;
}

/** What an application sends the browser to, with a challenge as RFC 7636 §B has it. */
export function authorizeUrl(server, parameters) {
  const all = {
    response_type: "code",
    state: "12345",
    nonce: "n",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
    ...parameters,
  };
  return `${server.url}/${server.tenant}/oauth2/v2.0/authorize?${new URLSearchParams(all)}`;
}
