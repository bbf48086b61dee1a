import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Database } from '../database/index.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { SigningFailure } from './failures.ts'
import { getServerKey, rotateServerKey } from './server-key.ts'
import { addSigner, changeSigner, type SignerParts } from './signers/change-signer.ts'
import { listSignedImages } from './signers/signed-images.ts'
import { findStoredSigner, listStoredSigners, type StoredSigner } from './signers/store.ts'
import {
  NewSigner,
  ServerKeyBody,
  SignedImageList,
  SignedImagesQuery,
  SignerBody,
  SignerChange,
  SignerList,
  SignerParams,
} from './wire.ts'

export interface SigningParts extends SignerParts {
  readonly database: Database
  /** New work was committed. */
  readonly wake: () => void
}

const path = '/api/v1/signers'

/** Whose signatures, attestations and VEX can count. */
export function signingRoutes(app: FastifyInstance, parts: SigningParts): void {
  readingRoutes(app, parts)
  changingRoutes(app, parts)
  serverKeyRoutes(app, parts)
}

function readingRoutes(app: FastifyInstance, { database, identity }: SigningParts): void {
  app.get(
    path,
    {
      schema: {
        ...about('listSigners', 'Signers of the organisation'),
        response: { 200: SignerList },
      },
    },
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      return { items: (await listStoredSigners(database)).map(show) }
    },
  )

  app.get<{ Params: Static<typeof SignerParams> }>(
    `${path}/:name`,
    {
      schema: { ...about('getSigner', 'One signer'), params: SignerParams, response: { 200: SignerBody } },
    },
    async ({ caller, params }) => {
      await identity.requireSignIn(caller)
      const signer = await findStoredSigner(database, params.name)
      if (!signer) throw new SigningFailure('SIGNER_UNKNOWN', `there is no signer ${params.name}`)
      return show(signer)
    },
  )

  app.get<{ Params: Static<typeof SignerParams>; Querystring: Static<typeof SignedImagesQuery> }>(
    `${path}/:name/images`,
    {
      schema: {
        ...about('listSignedImages', 'The images that hang on a signer'),
        params: SignerParams,
        querystring: SignedImagesQuery,
        response: { 200: SignedImageList },
      },
    },
    async ({ caller, params, query }) => {
      await identity.requireSignIn(caller)
      const page = {
        limit: query.n ?? 100,
        ...(query.last === undefined ? {} : { after: query.last }),
      }
      return listSignedImages(database, params.name, page, (repository) =>
        identity.mayAccess(caller, 'pull', repository as RepositoryName),
      )
    },
  )
}

function changingRoutes(app: FastifyInstance, parts: SigningParts): void {
  const { database, identity } = parts

  app.post<{ Body: Static<typeof NewSigner> }>(
    path,
    {
      // Trust stores are larger than other bodies.
      bodyLimit: 4 * 1024 * 1024,
      schema: {
        ...about('addSigner', 'Name a signer whose word can count'),
        body: NewSigner,
        response: { 201: SignerBody },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const { expiresAt, vex = false, ...wanted } = body
      const signer = await database.transaction().execute((transaction) =>
        addSigner(parts, transaction, caller, {
          ...wanted,
          vex,
          ...(expiresAt === undefined ? {} : { expiresAt: Date.parse(expiresAt) }),
        }),
      )
      parts.wake()
      return reply.code(201).send(show(signer))
    },
  )

  app.put<{ Params: Static<typeof SignerParams>; Body: Static<typeof SignerChange> }>(
    `${path}/:name/state`,
    {
      schema: {
        ...about('changeSigner', 'What the signatures of a signer count for from now on'),
        params: SignerParams,
        body: SignerChange,
        response: { 200: SignerBody },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      const { revokedFrom, ...change } = body
      const signer = await database.transaction().execute((transaction) =>
        changeSigner(parts, transaction, caller, params.name, {
          ...change,
          ...(revokedFrom === undefined ? {} : { revokedFrom: Date.parse(revokedFrom) }),
        }),
      )
      parts.wake()
      return show(signer)
    },
  )
}

function serverKeyRoutes(app: FastifyInstance, parts: SigningParts): void {
  const { database, identity } = parts

  app.get(
    '/api/v1/server-key',
    {
      schema: {
        ...about('getServerKey', 'The public key of what the server signs itself: SBOMs, promotions'),
        response: { 200: ServerKeyBody },
      },
    },
    async () => ({ publicKey: (await getServerKey(database, identity.clock)).publicKeyPem }),
  )

  app.post(
    '/api/v1/server-key/rotate',
    {
      schema: {
        ...about('rotateServerKey', 'A new key for the server; the one before still verifies'),
        response: { 200: ServerKeyBody },
      },
    },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const publicKey = await database
        .transaction()
        .execute((transaction) => rotateServerKey(parts, transaction, caller))
      parts.wake()
      return { publicKey }
    },
  )
}

function about(operationId: string, summary: string): object {
  return { operationId, summary, tags: ['signing'] }
}

function show(signer: StoredSigner): Static<typeof SignerBody> {
  const { identity, revokedFrom, expiresAt, createdAt, changedAt, ...rest } = signer
  return {
    ...rest,
    kind: identity.kind,
    identity: identity as Static<typeof SignerBody>['identity'],
    createdAt: new Date(createdAt).toISOString(),
    changedAt: new Date(changedAt).toISOString(),
    ...(revokedFrom === undefined ? {} : { revokedFrom: new Date(revokedFrom).toISOString() }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
  }
}
