/** The agent and its clients: what stays small for as long as a node runs, apart from what verifies and examines. */
export { placesOf, type Places } from './agent-places.ts'
export { openAgent, type Agent, type AgentParts } from './open-agent.ts'
