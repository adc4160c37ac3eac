"""How the page looks. Colours are those of Okabe and Ito, which colour-blind people can tell
apart; series differ in dash and marker as well.
"""

from typing import Final

STYLE: Final = """
:root{--ink:#1b1f24;--soft:#59636e;--paper:#fff;--panel:#f6f8fa;--line:#d1d9e0;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b05a8c;--c4:#a67c00;--c5:#3a9bd1;--c6:#5b5f66;
--c7:#7a4ea3;--good:#2f9e63;--late:#8d95a0;--left:#c3cad2;--band:#d55e0022}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--paper:#0f1419;
--panel:#171d24;--line:#313a44;--c0:#5ab4f0;--c1:#ff8a3d;--c2:#2fcf9f;--c3:#e79ac6;--c4:#e6c04a;
--c5:#9ad7ff;--c6:#aab2bb;--c7:#c3a1ee;--good:#3fbf7f;--late:#7d8691;--left:#4a535d;
--band:#ff8a3d2e}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1280px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px}
h2{font-size:20px;margin:40px 0 8px}
h3{font-size:15px;margin:12px 0 4px;overflow-wrap:anywhere}
p{margin:4px 0 12px;max-width:75ch}
.soft,.note{color:var(--soft)}
.note{font-size:14px}
.headline{font-size:20px;line-height:1.4;border-left:4px solid var(--c0);padding:4px 0 4px 14px;
margin:20px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:12px 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);text-align:left;
white-space:nowrap;vertical-align:top}
th{color:var(--soft);font-weight:600}
.number{text-align:right}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:20px}
figure{margin:0;background:var(--panel);border:1px solid var(--line);border-radius:8px;
padding:14px 16px}
figure h2{margin:0 0 2px;font-size:17px}
.wide{grid-column:1/-1}
.many{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:8px 20px}
svg{display:block;width:100%;height:auto}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:6px 0 8px;padding:0;list-style:none;
font-size:14px}
.legend li{display:flex;align-items:center;gap:6px;overflow-wrap:anywhere}
.swatch{width:34px;height:12px;flex:none}
.swatch.block{width:12px}
code,pre{font:14px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px;
white-space:pre-wrap;overflow-wrap:anywhere}
.grid{stroke:var(--line);fill:none}
.base{stroke:var(--soft);fill:none}
.tick{fill:var(--soft);font-size:14px}
.axis{fill:var(--ink);font-size:14px}
.band{fill:var(--band)}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.whisker{fill:none;stroke-width:1.3}
.marker{stroke:none}
.line.s1,.line.s5{stroke-dasharray:7 4}.line.s2,.line.s6{stroke-dasharray:2 3}
.line.s3,.line.s7{stroke-dasharray:9 3 2 3}
"""

_SERIES: Final = "".join(
    f".line.s{look},.whisker.s{look}{{stroke:var(--c{look})}}.marker.s{look}{{fill:var(--c{look})}}"
    for look in range(8)
)
_ENDS: Final = "".join(
    f".e{look}{{fill:var(--{name})}}"
    for look, name in enumerate(("good", "late", "left", "c0", "c1", "c4", "c3", "c7"))
)


def style() -> str:
    """The whole style sheet."""
    return STYLE + _SERIES + _ENDS
