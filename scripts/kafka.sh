#!/bin/sh
# Fetches Apache Kafka's jars from Maven Central into .tools/kafka, once. The broker needs a Java 17 or newer; that
# and Maven are installed from the distribution where that is allowed.
set -eu

cd "$(dirname "$0")/.."
version=4.1.1
dir=.tools/kafka
stamp=$dir/.kafka-$version

without() {
    echo "kafka: $1. Its tests need Java 17 and Maven; as root: apt-get install default-jre-headless maven" >&2
    [ -z "${CI:-}" ]
    exit 0
}

java_major() {
    java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

is_complete() {
    command -v java >/dev/null && { [ -e "$stamp" ] || command -v mvn >/dev/null; }
}

if ! is_complete && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || without "apt-get update failed"
    # Some distributions have a Java 17 that is not their default.
    java=default-jre-headless
    apt-get install -y -qq --no-install-recommends -s openjdk-17-jre-headless >/dev/null 2>&1 &&
        java=openjdk-17-jre-headless
    apt-get install -y -qq --no-install-recommends "$java" maven >/dev/null || without "apt-get install failed"
fi
command -v java >/dev/null || without "no java"
major=$(java_major)
[ "${major:-0}" -ge 17 ] || without "java is of version ${major:-unknown}"

if [ ! -e "$stamp" ]; then
    command -v mvn >/dev/null || without "no mvn"
    rm -rf "$dir"
    mkdir -p "$dir"
    # The second is the logging that Kafka's own archive ships and its published description leaves out.
    cat >"$dir/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>kafka-broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version><scope>runtime</scope></dependency>
  </dependencies>
</project>
XML
    mvn -q -B -f "$dir/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=libs ||
        without "Maven could not fetch its jars"
    touch "$stamp"
fi
echo "kafka: $dir/libs"
