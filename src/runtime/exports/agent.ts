import { RuntimeFailure } from '../failures.ts'
import type { RuntimeExport } from '../types.ts'
import { exportFormats } from '../wire.ts'
import { accountNote, keyNote, nodeFiles, serverKeyOf } from './node-files.ts'

/** Our own agent: it verifies what the policy asks before any runtime behind it pulls or runs. */
export const agent: RuntimeExport = {
  name: 'agent',
  help: exportFormats.agent,
  write(trust, options) {
    const { node } = options
    if (!node) throw new RuntimeFailure('EXPORT_INVALID', 'the agent needs the signed trust of the server')
    const publicKey = serverKeyOf(trust)
    return {
      files: nodeFiles(trust, options, node, publicKey),
      notes: [
        keyNote(publicKey),
        accountNote,
        'start the agent with pratique node serve, or as the service that pratique node unit writes, and point the kubelet at its socket',
        `the trust ends on ${new Date(trust.expiresAt).toISOString().slice(0, 10)}, and then nothing new is cleared: an enrolled node fetches it by itself, any other with pratique node refresh`,
        'pause images are pulled by the runtimes behind the agent, and are not verified by it',
      ],
    }
  },
}
