"use strict";
// Values under the pointer. The page is complete without this.
for (const chart of document.querySelectorAll(".chart")) {
  const plot = chart.querySelector(".plot");
  const lines = JSON.parse(chart.querySelector("script").textContent).filter((l) => l.points.length);
  const x0 = +plot.dataset.x0, x1 = +plot.dataset.x1, share = plot.dataset.unit === "share";
  const show = (y) => (share ? (100 * y).toFixed(2) + " %" : Number(y.toPrecision(5)).toString());
  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle; else high = middle;
    }
    return x - points[low][0] < points[high][0] - x ? points[low] : points[high];
  };
  let cross, tip;
  const hide = () => { if (cross) { cross.remove(); tip.remove(); cross = tip = null; } };
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const x = x0 + ((event.clientX - box.left) / box.width) * (x1 - x0);
    if (!lines.length) return;
    if (!cross) {
      cross = plot.appendChild(document.createElement("i"));
      cross.className = "cross";
      tip = plot.appendChild(document.createElement("div"));
      tip.className = "tip";
    }
    const found = lines.map((l) => [l.name, nearest(l.points, x)]);
    const at = found.map((f) => f[1][0]).sort((a, b) => Math.abs(a - x) - Math.abs(b - x))[0];
    cross.style.left = (100 * (at - x0)) / (x1 - x0) + "%";
    tip.textContent = "";
    tip.appendChild(document.createElement("b")).textContent = "step " + at;
    for (const [name, point] of found) {
      const row = tip.appendChild(document.createElement("div"));
      row.textContent = name + ": " + show(point[1]) + (point[0] === at ? "" : " (step " + point[0] + ")");
    }
    const left = (box.width * (at - x0)) / (x1 - x0);
    const flip = left > box.width / 2;
    tip.style.left = flip ? "auto" : left + 10 + "px";
    tip.style.right = flip ? box.width - left + 10 + "px" : "auto";
  });
}
addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
