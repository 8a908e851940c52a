/* Draws each canvas[data-chart] from the json_script of that id:
   {"labels": [...], "sign": "US$", "series": [{"label", "tone", "values": [cents]}]}
   or, with "counts": true in place of the sign, values that are no money and stack in one bar.
   Colours come from the tokens in site.css. The page shows the same numbers as a table. */
(function () {
  "use strict";

  var style = window.getComputedStyle(document.documentElement);
  function token(name) { return style.getPropertyValue("--" + name).trim(); }

  function money(sign, dollars) {
    var text = Math.abs(dollars).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    return (dollars < 0 ? "\u2212" : "") + sign + text;
  }

  document.querySelectorAll("canvas[data-chart]").forEach(function (canvas) {
    var source = document.getElementById(canvas.dataset.chart);
    if (!source || !window.Chart) { return; }
    var data = JSON.parse(source.textContent);
    var said = function (value) { return data.counts ? String(value) : money(data.sign, value); };
    var still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    window.Chart.defaults.font.family = window.getComputedStyle(document.body).fontFamily;
    window.Chart.defaults.color = token("ink-3");
    new window.Chart(canvas, {
      type: "bar",
      data: {
        labels: data.labels,
        datasets: data.series.map(function (series) {
          return {
            label: series.label,
            data: data.counts ? series.values : series.values.map(function (cents) { return cents / 100; }),
            backgroundColor: token(series.tone),
            borderRadius: 2,
            maxBarThickness: 26,
            barPercentage: 1,
            categoryPercentage: .82
          };
        })
      },
      options: {
        maintainAspectRatio: false,
        animation: still ? false : { duration: 250 },
        interaction: { mode: "index", intersect: false },
        plugins: {
          legend: { position: "bottom", labels: { boxWidth: 12, boxHeight: 12 } },
          tooltip: {
            callbacks: {
              label: function (item) { return item.dataset.label + ": " + said(item.parsed.y); }
            }
          }
        },
        scales: {
          x: { stacked: Boolean(data.counts), grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 18 } },
          y: {
            stacked: Boolean(data.counts),
            border: { display: false },
            grid: { color: token("line") },
            ticks: { maxTicksLimit: 6, precision: data.counts ? 0 : undefined, callback: said }
          }
        }
      }
    });
  });
}());
