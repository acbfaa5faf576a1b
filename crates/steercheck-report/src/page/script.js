"use strict";
// The page is whole without this: filters, search, and cards that open when they are linked to.
(function () {
  var form = document.querySelector(".filters");
  var selects = Array.prototype.slice.call(form.querySelectorAll("select"));
  var output = form.querySelector("output");
  form.hidden = false;
  function fits(element) {
    return selects.every(function (select) {
      var value = element.getAttribute("data-" + select.getAttribute("data-filter"));
      return !select.value || value === null || value === select.value;
    });
  }
  function filter() {
    var shown = 0;
    document.querySelectorAll("article").forEach(function (article) {
      article.hidden = !fits(article);
      shown += article.hidden ? 0 : 1;
    });
    document.querySelectorAll("table.verdicts tr[data-model]").forEach(function (row) { row.hidden = !fits(row); });
    document.querySelectorAll("table.verdicts td[data-task] a").forEach(function (link) { link.hidden = !fits(link.parentElement); });
    output.textContent = shown + " cards";
  }
  form.addEventListener("change", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  document.querySelectorAll("[data-search]").forEach(function (input) {
    input.parentElement.hidden = false;
    input.addEventListener("input", function () {
      var wanted = input.value.toLowerCase();
      document.querySelectorAll("#" + input.getAttribute("data-search") + "-items tbody tr").forEach(function (row) {
        row.hidden = row.textContent.toLowerCase().indexOf(wanted) < 0;
      });
    });
  });
  function open() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    var details = target && target.querySelector("details");
    if (target && target.tagName === "ARTICLE" && details) {
      target.hidden = false;
      details.open = true;
      details.querySelector("summary").focus();
      target.scrollIntoView();
    }
  }
  window.addEventListener("hashchange", open);
  open();
})();
