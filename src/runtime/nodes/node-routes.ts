import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { RuntimeFailure } from '../failures.ts'
import { NewNodeToken, NodeBody, NodeList, NodeToken, RunningList, RunningQuery } from '../wire.ts'
import { createToken, removeNode, type NodeParts } from './enrol-node.ts'
import { listNodes, listRunning } from './list-nodes.ts'

const tags = ['runtime']
const about = (operationId: string, summary: string) => ({ operationId, summary, tags })

/** Nodes as people see them. */
export function nodeRoutes(app: FastifyInstance, parts: NodeParts): void {
  const { database, identity } = parts
  app.post<{ Body: Static<typeof NewNodeToken> }>(
    '/api/v1/node-tokens',
    {
      schema: {
        ...about('createNodeToken', 'Leave to enrol one node; the token is shown once'),
        body: NewNodeToken,
        response: { 201: NodeToken },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      return reply.code(201).send(await createToken(parts, caller, body))
    },
  )
  app.get(
    '/api/v1/nodes',
    { schema: { ...about('listNodes', 'Nodes and their runtimes'), response: { 200: NodeList } } },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      return { items: await listNodes(database) }
    },
  )
  app.get<{ Params: { name: string } }>(
    '/api/v1/nodes/:name',
    { schema: { ...about('getNode', 'A node and its runtimes'), response: { 200: NodeBody } } },
    async ({ caller, params }) => {
      await identity.requireAdministrator(caller)
      const found = (await listNodes(database)).find(({ name }) => name === params.name)
      if (found) return found
      throw new RuntimeFailure('NODE_NOT_FOUND', `there is no node ${params.name}; pratique nodes lists them`)
    },
  )
  app.delete<{ Params: { name: string } }>(
    '/api/v1/nodes/:name',
    { schema: about('removeNode', 'Take the certificate of a node away at once') },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await removeNode(parts, caller, params.name)
      return reply.code(204).send()
    },
  )
  app.get<{ Querystring: Static<typeof RunningQuery> }>(
    '/api/v1/running',
    {
      schema: {
        ...about('listRunning', 'Containers that run on nodes, and whether their images are cleared now'),
        querystring: RunningQuery,
        response: { 200: RunningList },
      },
    },
    async ({ caller, query }) => {
      await identity.requireAdministrator(caller)
      return { items: await listRunning(parts, query.notCleared ?? false) }
    },
  )
}
