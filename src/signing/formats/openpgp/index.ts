/** Simple signing of containers/image: OpenPGP messages (containers-signature(5)). */
export { openpgp } from './openpgp.ts'
export { parseOpenpgpKey } from './read-key.ts'
