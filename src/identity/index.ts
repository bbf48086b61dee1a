/** Who is calling and what they may do: accounts, robots, tokens, roles and network rules. */
import './request-caller.ts'
export {
  actions,
  type Action,
  type Authorize,
  type Caller,
  type CredentialLimit,
  type Decision,
  type Principal,
} from './types.ts'
