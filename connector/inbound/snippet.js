// Winback's browser snippet: tells of a checkout once the shopper has typed an e-mail address. No cookies; the only
// thing that it keeps is a random number in this tab (sessionStorage), so that the thank-you page can say "completed".
// It does nothing for browsers that ask not to be tracked, and sends nothing while winback.consent() says no.
// Statements end with ; and comments have lines of their own: the daemon serves this file without them.
((w, d, n) => {
  const me = w.winback = w.winback || {};
  const url = new URL("checkouts?key=KEY", d.currentScript.src);
  let last, memory, sent, timer;
  me.update = () => {};
  if (n.globalPrivacyControl || n.doNotTrack == 1 || w.doNotTrack == 1) return;

  const field = () => d.querySelector(me.email || "input[type=email]");
  const kept = (value) => {
    try {
      if (value != null) memory = value, sessionStorage.winback = value;
      return sessionStorage.winback;
    } catch (e) {
      return memory;
    }
  };
  const post = (checkout) => {
    if (checkout.id) me.id = "browser:" + checkout.id;
    const body = JSON.stringify({checkouts: [checkout]});
    if (body == last && Date.now() - sent < 6e4) return;
    last = body;
    sent = Date.now();
    // A plain text needs no preflight, which a page that is being left would not live to see.
    fetch(url, {method: "POST", body, keepalive: true, credentials: "omit"})
      .then((answer) => { if (!answer.ok) last = 0; }, () => last = 0);
  };
  const send = async () => {
    clearTimeout(timer);
    if (me.completed) {
      const id = kept();
      if (id) post({id, completed: true}), kept("");
      return;
    }
    const box = field();
    const email = box ? box.value.trim() : "";
    if (!/^\S+@\S+\.\S+$/.test(email) || me.consent && !await me.consent() || !me.cart) return;
    const own = kept() || crypto.getRandomValues(new Uint32Array(4)).join("-");
    kept(own);
    post({id: own, email, url: location.href, ...me.cart()});
  };
  const soon = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(send, wait);
  };

  // While it is typed, after a pause; when a field is left, at once; and when the page is.
  d.addEventListener("input", (e) => e.target == field() && soon(2000));
  d.addEventListener("change", () => soon(0));
  d.addEventListener("visibilitychange", () => d.hidden && send());
  w.addEventListener("pagehide", send);
  me.update = () => soon(0);
  if (kept()) me.id = "browser:" + kept();
  if (me.completed) send();
  // Counts that a checkout was opened, for the capture rate; one that is only loaded again is not a new one.
  setTimeout(() => field() && performance.getEntriesByType("navigation")[0].type == "navigate" && post({started: true}), 2000);
})(window, document, navigator);
