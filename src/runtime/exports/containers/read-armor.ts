/** The keyring in an ASCII-armored key (RFC 9580, "Forming ASCII Armor"); undefined for anything else. */
export function readArmor(text: string): Buffer | undefined {
  const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/.exec(
    text,
  )
  if (!block) return undefined
  const lines = (block[1] as string).split(/\r?\n/).map((line) => line.trim())
  // Headers such as `Version:` end with an empty line; the checksum line begins with "=".
  const start = lines.indexOf('') + 1
  const body = lines.slice(start).filter((line) => line !== '' && !line.startsWith('='))
  return body.length > 0 && body.every((line) => /^[A-Za-z0-9+/]+={0,2}$/.test(line))
    ? Buffer.from(body.join(''), 'base64')
    : undefined
}
