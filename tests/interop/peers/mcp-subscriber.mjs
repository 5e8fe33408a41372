// Clients of the official SDKs that subscribe: revision 2025-11-25 (sessions) and 2026-07-28. They tell what they hear, a line for each.
import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as SessionTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const settings = JSON.parse(process.argv[2])
const requestInit = { headers: { Authorization: `Bearer ${settings.token}` } }
const me = { name: 'kapi-proof', version: '1.0.0' }
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const heard = (notification) => tell({ heard: notification.method, uri: notification.params?.uri })

async function withSessions() {
  const client = new SessionClient(me)
  const schemas = [ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema]
  schemas.push(PromptListChangedNotificationSchema, ResourceListChangedNotificationSchema)
  for (const schema of schemas) client.setNotificationHandler(schema, heard)
  await client.connect(new SessionTransport(new URL(settings.url), { requestInit }))
  for (const uri of settings.uris) await client.subscribeResource({ uri })
  const denied = await client.subscribeResource({ uri: settings.denied }).then(() => false, () => true)
  return { client, denied, leave: () => client.unsubscribeResource({ uri: settings.uris[0] }) }
}

async function withoutSessions() {
  const client = new Client(me, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  for (const kind of ['tools', 'prompts', 'resources']) client.setNotificationHandler(`notifications/${kind}/list_changed`, heard)
  client.setNotificationHandler('notifications/resources/updated', heard)
  await client.connect(new StreamableHTTPClientTransport(new URL(settings.url), { requestInit }))
  const lists = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true }
  const subscription = await client.listen({ resourceSubscriptions: settings.uris, ...lists })
  const denied = await client.listen({ resourceSubscriptions: [settings.denied] }).then(() => false, () => true)
  return { client, denied, leave: () => subscription.close() }
}

const { client, denied, leave } = await (settings.revision === '2026-07-28' ? withoutSessions() : withSessions())
tell({ denied })
for (const [name, uri] of settings.changes) await client.callTool({ name, arguments: { uri } })
await new Promise((done) => process.stdin.once('data', done))
await leave()
await client.close()
tell({ closed: true })
process.exit(0)
