const block = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g

/**
 * The DER of every block in PEM text; what stands between blocks is comment, as openssl writes it. Throws when a
 * block is of another kind than `label`, above all a private key, or when there is none.
 */
export function readPemBlocks(text: string, label: 'CERTIFICATE' | 'PUBLIC KEY'): Buffer[] {
  const blocks = [...text.matchAll(block)]
  const other = blocks.find(([, found]) => found !== label)
  if (other) throw new Error(`there is a "${other[1]}" block; only "${label}" belongs here`)
  const markers = text.match(/-----BEGIN /g)?.length ?? 0
  if (blocks.length === 0 || markers !== blocks.length) throw new Error(`no whole "${label}" block in PEM`)
  return blocks.map(([, , base64 = '']) => Buffer.from(base64.replaceAll(/\s/g, ''), 'base64'))
}
