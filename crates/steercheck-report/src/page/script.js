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
  // A figure says what is pointed at or touched, and is saved as it is drawn, as pixels or as numbers.
  var alone = document.getElementById("alone").content.textContent;
  function save(name, blob) {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  }
  function drawing(figure) {
    var svg = figure.querySelector("svg").cloneNode(true), box = svg.viewBox.baseVal;
    svg.setAttribute("width", box.width);
    svg.setAttribute("height", box.height);
    var style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = alone;
    svg.insertBefore(style, svg.firstChild);
    return { text: new XMLSerializer().serializeToString(svg), width: box.width, height: box.height };
  }
  var forms = {
    SVG: function (figure) { save(figure.id + ".svg", new Blob([drawing(figure).text], { type: "image/svg+xml" })); },
    PNG: function (figure) {
      var drawn = drawing(figure), image = new Image();
      image.onload = function () {
        var canvas = document.createElement("canvas");
        canvas.width = 3 * drawn.width;
        canvas.height = 3 * drawn.height;
        var context = canvas.getContext("2d");
        context.fillStyle = "#fff";
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(function (blob) { save(figure.id + ".png", blob); });
      };
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(drawn.text);
    },
    CSV: function (figure) { save(figure.id + ".csv", new Blob([figure.querySelector("pre").textContent], { type: "text/csv" })); }
  };
  document.querySelectorAll("figure").forEach(function (figure) {
    var bar = document.createElement("div"), said = document.createElement("output");
    bar.className = "save";
    Object.keys(forms).forEach(function (form) {
      if (form === "CSV" && !figure.querySelector("pre")) { return; }
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = form;
      button.setAttribute("aria-label", "Save as " + form + ": " + figure.querySelector("figcaption b").textContent);
      button.addEventListener("click", function () { forms[form](figure); });
      bar.appendChild(button);
    });
    bar.appendChild(said);
    figure.querySelector(".drawing").after(bar);
    figure.addEventListener("pointerover", function (event) {
      var title = event.target.querySelector && event.target.querySelector(":scope > title");
      if (title) { said.textContent = title.textContent; }
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
