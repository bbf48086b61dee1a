import { cleanLine } from '../clean-line.ts'

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Markup that is safe to put between tags and into quoted attributes. Only this file makes it out of text. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Value = string | number | Markup | readonly Markup[]

/** A template whose values are escaped, all but markup that was made in the same way. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(
    strings
      .map((text, index) => text + (index < values.length ? render(values[index] as Value) : ''))
      .join(''),
  )
}

function render(value: Value): string {
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map(({ text }) => text).join('')
  return cleanLine(String(value), 4000).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}
