"""Prints each field once, and which ones are missing: subscribe.py HOST PORT USER PASSWORD_FILE (paho-mqtt 2)."""
import json, sys
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.properties import PacketTypes, Properties

host, port, user, password_file = sys.argv[1:]
seen, newest = set(), {}  # An archive asks its database instead.

def on_connect(client, _userdata, _flags, reason, _properties):
    print("connected:", reason, flush=True)
    client.subscribe("smearscope/+/field", qos=1)

def on_message(client, _userdata, message):
    field = json.loads(message.payload)
    numbering, seq = (field["device"], field["series"]), field["seq"]
    last = newest.get(numbering, seq - 1)
    if field["id"] not in seen:
        if seq > last + 1:
            print("missing:", *numbering, last + 1, "to", seq - 1, flush=True)
        print(field["device"], seq, field["counts"], flush=True)
    seen.add(field["id"])
    newest[numbering] = max(last, seq)
    client.ack(message.mid, message.qos)  # Only now may the broker forget it.

client = Client(CallbackAPIVersion.VERSION2, client_id="archive-1", protocol=MQTTv5, manual_ack=True)
client.username_pw_set(user, open(password_file).readline().rstrip("\n"))
client.on_connect, client.on_message = on_connect, on_message
session = Properties(PacketTypes.CONNECT)
session.SessionExpiryInterval = 7 * 24 * 3600  # For so long the broker keeps what comes while we are away.
client.connect(host, int(port), clean_start=False, properties=session)
client.loop_forever()
