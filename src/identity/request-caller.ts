import type { Caller } from './types.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling, worked out by identity before any route runs. */
    caller: Caller
  }
}
