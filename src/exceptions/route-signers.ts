import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { addVexSigner, listVexSigners, removeVexSigner, type VexSigner } from './attestations/vex-signers.ts'
import type { ExceptionParts } from './parts.ts'
import { time } from './show-exception.ts'
import { NewVexSigner, Nothing, VexSignerBody, VexSignerList, VexSignerParams } from './wire.ts'

const path = '/api/v1/vex-signers'

/** Whose VEX attestations are believed. */
export function signerRoutes(app: FastifyInstance, parts: ExceptionParts): void {
  app.get(
    path,
    { schema: { ...about('listVexSigners', 'Whose VEX is believed'), response: { 200: VexSignerList } } },
    async ({ caller }) => {
      await parts.identity.requireSignIn(caller)
      return { items: (await listVexSigners(parts.database)).map(show) }
    },
  )

  app.post<{ Body: Static<typeof NewVexSigner> }>(
    path,
    {
      schema: {
        ...about('addVexSigner', 'Believe the VEX attestations of a key'),
        body: NewVexSigner,
        response: { 201: VexSignerBody },
      },
    },
    async ({ caller, body }, reply) => reply.code(201).send(show(await addVexSigner(parts, caller, body))),
  )

  app.delete<{ Params: Static<typeof VexSignerParams> }>(
    `${path}/:name`,
    {
      schema: {
        ...about('removeVexSigner', 'Believe a key no longer, at once and for good'),
        params: VexSignerParams,
        response: { 204: Nothing },
      },
    },
    async ({ caller, params }, reply) => {
      await removeVexSigner(parts, caller, params.name)
      return reply.code(204).send()
    },
  )
}

function show(signer: VexSigner): VexSignerBody {
  return { ...signer, createdAt: time(signer.createdAt) }
}

function about(operationId: string, summary: string): object {
  return { operationId, summary, tags: ['exceptions'] }
}
