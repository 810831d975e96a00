/** The style of a report in HTML, in light and dark. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#f7f5f1, #151312);
  --card: light-dark(#ffffff, #1e1b1a);
  --line: light-dark(#e4dfd7, #35302d);
  --ink: light-dark(#211d1a, #ece6df);
  --quiet: light-dark(#6b635b, #a69c92);
  --bad: light-dark(#b3261e, #ff9389);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 2rem 0 .75rem; font-size: 1.15rem; }
h3 { margin: 0 0 .5rem; font-size: .95rem; }
p { margin: .15rem 0; color: var(--quiet); }
section.card, .plots > section { padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
.plots { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
@media (min-width: 60rem) { .plots { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.plots > section > svg { display: block; width: 100%; height: auto; }
.patterns { position: absolute; }
svg text { fill: var(--ink); font-size: 12px; font-variant-numeric: tabular-nums; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; paint-order: stroke; }
@media (max-width: 40rem) { svg text { font-size: 20px; } }
.grid, .axis { stroke: var(--line); fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke-dasharray: 2 3; }
.line { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.line.series-0 { stroke-width: 3; }
.line.series-1 { stroke-width: 1.5; stroke-dasharray: 6 4; }
.area { fill: var(--series); }
.texture { fill: none; stroke: var(--card); stroke-width: 1.5; }
.track { fill: var(--line); }
.open { fill: var(--bad); }
.columns rect { fill: transparent; }
.columns rect:hover { fill: color-mix(in srgb, var(--ink) 10%, transparent); }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; margin: .5rem 0 0; padding: 0; list-style: none; font-size: .9rem; }
.legend svg { margin-right: .4rem; vertical-align: middle; }
.nothing { padding-top: .25rem; }
.scroll { overflow-x: auto; overflow-wrap: normal; }
table { width: max-content; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { padding: .75rem 0 .25rem; text-align: left; font-weight: 600; }
th, td { max-width: 26rem; overflow-wrap: anywhere; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; font-weight: 400; vertical-align: top; }
@media (max-width: 40rem) { th[scope=row] { max-width: 8rem; } th, td { padding-right: .75rem; } }
thead th { color: var(--quiet); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.part { padding-left: 1rem; }
summary { cursor: pointer; padding: .75rem 0; font-weight: 600; }
.series-0 { --series: light-dark(#2f6f8c, #74bbda); }
.series-1 { --series: light-dark(#b5531a, #f0a35e); }
.series-2 { --series: light-dark(#4a7c45, #8ccb84); }
.series-3 { --series: light-dark(#6b4c9a, #b79be3); }
.series-4 { --series: light-dark(#b3588f, #e58fc2); }
.series-5 { --series: light-dark(#8a6d1d, #d9be62); }
.series-6 { --series: light-dark(#1f7a74, #6cc9c2); }
.series-7 { --series: light-dark(#776e66, #a1978d); }
`
