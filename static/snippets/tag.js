/* Keeps the last five click ids on the shop's own origin, and tells the network of a checkout, for diagnosis only.
   <script src="https://NETWORK/static/snippets/tag.js" data-merchant="M1001" async></script>
   On the page that confirms an order also data-order="ORDER NUMBER". Server-set cookies last longer: prefer them. */
(function (d, w) {
  "use strict";
  var tag = d.currentScript, COOKIE = "upfront_clicks", ID = /^[\w-]{22,64}$/;
  if (!tag) return;
  var found = d.cookie.match(/(?:^|; )upfront_clicks=([^;]*)/);
  var ids = (found ? found[1] : "").split(".").filter(function (id) { return ID.test(id); });
  var fresh = (w.location.search.match(/[?&]ua_click=([\w-]+)/) || [])[1];
  if (fresh && ID.test(fresh)) {
    ids = [fresh].concat(ids.filter(function (id) { return id !== fresh; })).slice(0, 5);
    d.cookie = COOKIE + "=" + ids.join(".") + "; path=/; max-age=7776000; SameSite=Lax" +
      (w.location.protocol === "https:" ? "; Secure" : "");
  }
  w.upfront = { clickIds: function () { return ids.slice(); } };
  var order = tag.getAttribute("data-order");
  if (!order) return;
  var url = new URL(tag.getAttribute("data-beacon") || "/b", tag.src).href;
  var body = JSON.stringify({ merchant: tag.getAttribute("data-merchant"), order_id: order, click_ids: ids });
  // Plain text, so that no browser has to ask beforehand whether it may.
  if (!(w.navigator.sendBeacon && w.navigator.sendBeacon(url, body))) {
    w.fetch(url, { method: "POST", body: body, keepalive: true, mode: "no-cors" }).catch(function () {});
  }
})(document, window);
