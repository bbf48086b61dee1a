import { createHash } from 'node:crypto'

export const style = `
:root { color-scheme: light dark; --text: #1b1f24; --soft: #59636e; --line: #d1d9e0; --page: #fff; --card: #f6f8fa;
  --link: #0859c6; --critical: #8e1519; --high: #b3400c; --medium: #7a5200; --low: #1f5a99; --good: #116329; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9aa4af; --line: #3a424b; --page: #12161b;
  --card: #1b2128; --link: #79b8ff; --critical: #ff8f8f; --high: #ffab70; --medium: #e8c268; --low: #8cc4ff;
  --good: #7ee2a0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; margin: 0 0 .25rem; }
h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
p, ul { margin: .25rem 0; }
ul { padding-left: 1.25rem; }
li { overflow-wrap: anywhere; }
section + section { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 2rem; }
a { color: var(--link); }
code { font: .875em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.state { display: inline-block; border: 2px solid; border-radius: .375rem; font-weight: 700; padding: .125rem .75rem;
  margin: .5rem 0; }
.cleared { color: var(--good); }
.failed { color: var(--critical); }
.undetermined, .unscannable { color: var(--medium); }
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: .375rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; }
th { background: var(--card); white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: ' \\2191'; }
th[aria-sort=descending] button::after { content: ' \\2193'; }
td { overflow-wrap: anywhere; min-width: 5rem; }
td:nth-child(2) { white-space: nowrap; }
td:nth-child(3) { min-width: 12rem; }
td:nth-child(4), td:nth-child(5) { min-width: 8rem; }
td:nth-child(7) { min-width: 18rem; }
.critical { color: var(--critical); font-weight: 700; }
.high { color: var(--high); font-weight: 700; }
.medium { color: var(--medium); font-weight: 600; }
.low { color: var(--low); }
tr.aside td { color: var(--soft); }
@media print { body { padding: 0; } .table { overflow: visible; } }
`

/** Sorts a table by the column whose title is pressed. The page says all it has to say without it. */
export const script = `
for (const button of document.querySelectorAll('th button')) {
  button.addEventListener('click', () => {
    const head = button.closest('th')
    const body = head.closest('table').tBodies[0]
    const index = [...head.parentNode.children].indexOf(head)
    const down = head.getAttribute('aria-sort') === 'ascending'
    for (const other of head.parentNode.children) other.removeAttribute('aria-sort')
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending')
    const keyOf = (row) => row.cells[index].dataset.sort ?? row.cells[index].textContent.trim()
    const rows = [...body.rows].sort((a, b) => keyOf(a).localeCompare(keyOf(b), 'en', { numeric: true }))
    body.append(...(down ? rows.reverse() : rows))
  })
}
`

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Content Security Policy 3: only the style and the script above, and nothing from anywhere else. */
export const contentSecurityPolicy = `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; base-uri 'none'; form-action 'none'`
