// A browser that runs no script, as a person uses it: keeps cookies, follows redirects, fills forms in, presses buttons.

/** How many pages a person puts up with. */
const PAGES_MAX = 8;

export class Browser {
  cookies = new Map();
  page = "";

  /** `origin`: whose pages are pages, and not the way back to an application. */
  constructor(origin) {
    this.origin = origin;
  }

  /** Loads a page; or where the browser is sent to elsewhere. */
  async send(url, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", ...options, headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [name, value] = set.split(";")[0].split(/=(.*)/s);
      this.cookies.set(name, value);
    }
    if (answer.status !== 303) {
      this.page = await answer.text();
      return undefined;
    }
    const location = answer.headers.get("location");
    return location.startsWith(this.origin) || location.startsWith("/")
      ? this.send(new URL(location, this.origin))
      : location;
  }

  /** The first form's parts. */
  form() {
    const [, action, inside] = this.page.match(/<form method="post" action="([^"]*)">(.*?)<\/form>/s) ?? [];
    if (action === undefined) return undefined;
    const hidden = [...inside.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)];
    return { action: unescape(action), fields: hidden.map(([, name, value]) => [name, unescape(value)]) };
  }

  /** Which step of the way the page is. */
  step() {
    return this.form()?.fields.find(([name]) => name === "step")?.[1];
  }

  /** The first form, filled in. */
  async submit(values) {
    const { action, fields } = this.form();
    const body = new URLSearchParams(values);
    for (const [name, value] of fields) if (!body.has(name)) body.append(name, value);
    return this.send(new URL(action, this.origin), { method: "POST", body });
  }

  /** Goes on from page to page, answering each by its step, until the browser is sent elsewhere or nothing is asked. */
  async through(url, { person, password, code }) {
    const answers = {
      code: { user_code: code },
      "sign-in": { username: person, password },
      consent: { decision: "accept" },
      decide: { decision: "accept" },
    };
    let location = await this.send(url);
    for (let pages = 0; !location && answers[this.step()]; pages += 1) {
      if (pages === PAGES_MAX) throw new Error(`still asked for ${this.step()}: ${this.page}`);
      location = await this.submit(answers[this.step()]);
    }
    return location;
  }
}

function unescape(text) {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));
}
