/**
 * Groups of libraries that are built without Maven's records, by artifact: from the names under which Maven Central
 * has them. Where the group changed, from which major version on; `$&` is the artifact's own name.
 */
const groups: readonly (readonly [RegExp, string, number?])[] = [
  [
    /^spring-(?:core|beans|context(?:-support|-indexer)?|aop|aspects|web|webmvc|webflux|websocket|messaging|jdbc|tx|orm|oxm|jms|expression|test|jcl|instrument|r2dbc)$/,
    'org.springframework',
  ],
  [/^spring-boot(?:-.+)?$/, 'org.springframework.boot'],
  [/^spring-security-.+$/, 'org.springframework.security'],
  [/^spring-data-.+$/, 'org.springframework.data'],
  [/^spring-cloud-.+$/, 'org.springframework.cloud'],
  [/^tomcat-embed-.+$/, 'org.apache.tomcat.embed'],
  [/^tomcat-.+$/, 'org.apache.tomcat'],
  [/^kotlin-(?:stdlib|reflect|script|scripting|compiler|daemon)(?:-.+)?$/, 'org.jetbrains.kotlin'],
  [/^scala-(?:library|reflect|compiler)$/, 'org.scala-lang'],
  [/^groovy(?:-.+)?$/, 'org.apache.groovy', 4],
  [/^groovy(?:-.+)?$/, 'org.codehaus.groovy'],
  [/^hibernate-core$/, 'org.hibernate.orm', 6],
  [/^hibernate-core$/, 'org.hibernate'],
  [/^bc(?:prov|pkix|util|pg|mail|tls)-.+$/, 'org.bouncycastle'],
  [/^lucene-.+$/, 'org.apache.lucene'],
  [/^micrometer-.+$/, 'io.micrometer'],
  [/^grpc-.+$/, 'io.grpc'],
  [/^reactor-netty(?:-.+)?$/, 'io.projectreactor.netty', 1],
  [/^reactor-core$/, 'io.projectreactor'],
  [/^okhttp$/, 'com.squareup.okhttp3', 3],
  [/^okio(?:-jvm)?$/, 'com.squareup.okio'],
  [/^h2$/, 'com.h2database'],
  [/^postgresql$/, 'org.postgresql'],
  [/^mysql-connector-j$/, 'com.mysql'],
  [/^mysql-connector-java$/, 'mysql'],
  [/^elasticsearch$/, 'org.elasticsearch'],
  [/^xstream$/, 'com.thoughtworks.xstream'],
  [/^xercesImpl$/, 'xerces'],
  [/^xalan$/, 'xalan'],
  [/^dom4j$/, 'org.dom4j', 2],
  [/^dom4j$/, 'dom4j'],
  [/^ant(?:-launcher)?$/, 'org.apache.ant'],
  [/^asm(?:-(?:tree|analysis|commons|util))?$/, 'org.ow2.asm'],
  [/^opentelemetry-(?:api|sdk|context|common|exporter)(?:-.+)?$/, 'io.opentelemetry'],
  [/^protobuf-java(?:-util|lite)?$/, 'com.google.protobuf'],
  [/^velocity(?:-engine-.+)?$/, 'org.apache.velocity'],
  [/^velocity-tools-.+$/, 'org.apache.velocity.tools'],
  [/^junit-platform-.+$/, 'org.junit.platform'],
  [/^junit-jupiter(?:-.+)?$/, 'org.junit.jupiter'],
  [/^http(?:core|client|mime|asyncclient)(?:-(?:nio|cache))?$/, 'org.apache.httpcomponents'],
  [/^httpclient5(?:-.+)?$/, 'org.apache.httpcomponents.client5'],
  [/^httpcore5(?:-.+)?$/, 'org.apache.httpcomponents.core5'],
  [/^jna(?:-platform)?$/, 'net.java.dev.jna'],
  [/^json-path$/, 'com.jayway.jsonpath'],
  [/^caffeine$/, 'com.github.ben-manes.caffeine'],
  [/^jdom2$/, 'org.jdom'],
  [/^bsh$/, 'org.apache-extras.beanshell'],
  [/^xz$/, 'org.tukaani'],
  [/^re2j$/, 'com.google.re2j'],
  [/^(?:joda-time|junit|oro)$/, '$&'],
  [
    /^commons-(?:beanutils|chain|cli|codec|collections|configuration|daemon|dbcp|digester|discovery|el|fileupload|httpclient|io|jelly|jexl|jxpath|lang|launcher|logging|net|pool|validator)$/,
    '$&',
  ],
  [
    /^commons-(?:bcel|collections4|compress|configuration2|crypto|csv|dbcp2|digester3|email|exec|fileupload2|imaging|jexl3|lang3|math3?|pool2|text|vfs2)$/,
    'org.apache.commons',
  ],
]

/** The group of an artifact whose name only one group has. */
export function findKnownGroup(artifact: string, version: string): string | undefined {
  const major = Number.parseInt(version, 10)
  const known = groups.find(([names, , since = 0]) => names.test(artifact) && !(major < since))
  return known && artifact.replace(known[0], known[1])
}
