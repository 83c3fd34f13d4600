// Asks the browser for a passkey and sends its answer with the page's own form. Nothing of it is needed where a code will do.
(() => {
  "use strict";
  const form = document.getElementById("passkey");
  if (!form || !window.PublicKeyCredential) return;
  const failed = document.getElementById("passkey-failed");
  const options = JSON.parse(form.dataset.options);
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const create = async () => {
    const made = await navigator.credentials.create({
      publicKey: {
        challenge: bytes(options.challenge),
        rp: options.rp,
        user: { ...options.user, id: bytes(options.user.id) },
        pubKeyCredParams: options.algorithms.map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { residentKey: "preferred", userVerification: options.userVerification },
        excludeCredentials: options.excludeCredentials.map((id) => ({ type: "public-key", id: bytes(id) })),
        attestation: "none",
        timeout: options.timeout,
      },
    });
    return {
      id: text(made.rawId),
      client_data: text(made.response.clientDataJSON),
      attestation: text(made.response.attestationObject),
    };
  };
  const get = async () => {
    const shown = await navigator.credentials.get({
      publicKey: {
        challenge: bytes(options.challenge),
        rpId: options.rpId,
        allowCredentials: options.allowCredentials.map((id) => ({ type: "public-key", id: bytes(id) })),
        userVerification: options.userVerification,
        timeout: options.timeout,
      },
    });
    return {
      id: text(shown.rawId),
      client_data: text(shown.response.clientDataJSON),
      authenticator_data: text(shown.response.authenticatorData),
      signature: text(shown.response.signature),
      user_handle: shown.response.userHandle ? text(shown.response.userHandle) : null,
    };
  };
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.hidden = true;
    try {
      const answer = await (form.dataset.kind === "create" ? create() : get());
      form.elements.answer.value = JSON.stringify(answer);
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
})();
