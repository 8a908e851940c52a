/* Draws each canvas[data-sla-chart]: stacked bars of counts by day, from the json_script that it names. */
(function () {
  "use strict";

  var style = window.getComputedStyle(document.documentElement);
  document.querySelectorAll("canvas[data-sla-chart]").forEach(function (canvas) {
    var source = document.getElementById(canvas.dataset.slaChart);
    if (!source || !window.Chart) { return; }
    var data = JSON.parse(source.textContent);
    new window.Chart(canvas, {
      type: "bar",
      data: {
        labels: data.labels,
        datasets: data.series.map(function (series) {
          return {
            label: series.label,
            data: series.values,
            backgroundColor: style.getPropertyValue("--wb-" + series.tone).trim(),
            maxBarThickness: 28
          };
        })
      },
      options: {
        maintainAspectRatio: false,
        animation: false,
        interaction: { mode: "index", intersect: false },
        plugins: { legend: { position: "bottom", labels: { boxWidth: 12, boxHeight: 12 } } },
        scales: {
          x: { stacked: true, grid: { display: false } },
          y: { stacked: true, beginAtZero: true, ticks: { precision: 0 } }
        }
      }
    });
  });
}());
