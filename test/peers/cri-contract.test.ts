import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import protobuf from 'protobufjs'

const theirs = join(import.meta.dirname, '../../.peers/cri-api/api.proto')
const ours = join(import.meta.dirname, '../../src/agent/cri/cri.proto')

const isMissing = !existsSync(theirs)
if (isMissing && process.env['PRATIQUE_PEERS'] === 'required') throw new Error('PEER MISSING: cri-api')

/** Everything that goes over the wire: services, messages, fields with their numbers and types, values of enumerations. */
function describeContract(path: string): string[] {
  const { root } = protobuf.parse(readFileSync(path, 'utf8'), { keepCase: true })
  root.resolveAll()
  const lines: string[] = []
  const visit = (within: protobuf.NamespaceBase): void => {
    for (const one of within.nestedArray) {
      if (one instanceof protobuf.Namespace) visit(one)
      if (one instanceof protobuf.Enum) {
        for (const [name, value] of Object.entries(one.values)) lines.push(`${one.fullName} ${name}=${value}`)
      }
      if (one instanceof protobuf.Service) {
        for (const { name, requestType, responseType, responseStream = false } of one.methodsArray) {
          lines.push(`${one.fullName}/${name} ${requestType} ${responseType} ${responseStream}`)
        }
      }
      if (one instanceof protobuf.Type) {
        lines.push(one.fullName)
        for (const field of one.fieldsArray) {
          const map = field instanceof protobuf.MapField ? `map<${field.keyType}> ` : ''
          const type = field.resolvedType?.fullName ?? field.type
          lines.push(
            `${one.fullName}.${field.name}=${field.id} ${map}${field.repeated ? 'repeated ' : ''}${type}`,
          )
        }
        visit(one)
      }
    }
  }
  visit(root)
  return lines.toSorted()
}

test(
  'the contract is that of the CRI, name by name and number by number',
  { skip: isMissing && 'PEER MISSING: cri-api (sudo scripts/setup-peers installs it)' },
  () => {
    const [mine, other] = [describeContract(ours), describeContract(theirs)]
    assert.ok(other.length > 700, `only ${other.length} facts were read`)
    assert.deepEqual(mine, other)
  },
)
