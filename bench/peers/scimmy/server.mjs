// SCIMMY behind scimmy-routers and express: everything is in memory, and gone with the process.
//
// The handlers are the bench's, as SCIMMY leaves storage to whoever uses it. They are made as quick as it allows: a
// Map by id, and a Map by userName for the filter that identity providers send, so that no match walks all people.
// SEED_USERS people and a group for each number in SEED_GROUPS, with so many members, are there from the start.

import {randomUUID} from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const {PORT, TOKEN, SEED_USERS, SEED_GROUPS} = process.env;

class Storage {
    constructor(unique) {
        this.unique = unique;
        this.byId = new Map();
        this.byName = new Map();
    }

    write(id, data) {
        const now = new Date();
        const known = this.byId.get(id);
        if (id && !known) throw new SCIMMY.Types.Error(404, null, "Not found");
        const name = data[this.unique].toLowerCase();
        const other = this.byName.get(name);
        if (other && other.id !== id) throw new SCIMMY.Types.Error(409, "uniqueness", "In use");
        const kept = {...JSON.parse(JSON.stringify(data)), id: id ?? randomUUID()};
        kept.meta = {created: known?.meta.created ?? now, lastModified: now};
        if (known) this.byName.delete(known[this.unique].toLowerCase());
        return this.keep(kept);
    }

    keep(resource) {
        this.byId.set(resource.id, resource);
        this.byName.set(resource[this.unique].toLowerCase(), resource);
        return resource;
    }

    read(resource) {
        if (resource.id) {
            const found = this.byId.get(resource.id);
            if (!found) throw new SCIMMY.Types.Error(404, null, "Not found");
            return found;
        }
        if (!resource.filter) return [...this.byId.values()];
        const name = this.wanted(resource.filter);
        if (name === undefined) return resource.filter.match([...this.byId.values()]);
        const found = this.byName.get(name.toLowerCase());
        return found ? [found] : [];
    }

    // The name in `userName eq "..."`, undefined for any other filter.
    wanted(filter) {
        const [first] = filter;
        if (filter.length !== 1 || Object.keys(first).length !== 1) return undefined;
        const condition = Object.entries(first).find(([key]) => key.toLowerCase() === this.unique.toLowerCase())?.[1];
        return Array.isArray(condition) && condition[0] === "eq" ? condition[1] : undefined;
    }

    remove(id) {
        const known = this.byId.get(id);
        if (!known) throw new SCIMMY.Types.Error(404, null, "Not found");
        this.byId.delete(id);
        this.byName.delete(known[this.unique].toLowerCase());
    }
}

function serve(type, storage) {
    return SCIMMY.Resources.declare(type)
        .ingress((resource, data) => storage.write(resource.id, data))
        .egress((resource) => storage.read(resource))
        .degress((resource) => storage.remove(resource.id));
}

const users = new Storage("userName");
const groups = new Storage("displayName");
serve(SCIMMY.Resources.User, users).extend(SCIMMY.Schemas.EnterpriseUser, false);
serve(SCIMMY.Resources.Group, groups);

const now = new Date();
const userId = (number) => number.toString(16).padStart(32, "0");
for (let number = 1; number <= Number(SEED_USERS); number++) {
    const name = `seeded${number}@bench.example`;
    users.keep({
        id: userId(number),
        externalId: `seeded-${number}`,
        userName: name,
        active: true,
        displayName: `Person ${number}`,
        name: {givenName: "Person", familyName: String(number)},
        title: "Measurer",
        emails: [{primary: true, type: "work", value: name}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            department: "Bench",
            employeeNumber: String(number),
        },
        meta: {created: now, lastModified: now},
    });
}
for (const size of SEED_GROUPS.split(" ").filter(Boolean).map(Number)) {
    const members = Array.from({length: size}, (_, index) => ({value: userId(index + 1)}));
    groups.keep({id: `group-${size}`, displayName: `Group ${size}`, members, meta: {created: now, lastModified: now}});
}

const app = express();
app.disable("x-powered-by");
app.use("/scim/v2", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== `Bearer ${TOKEN}`) throw new Error("Who is this?");
        return "bench";
    },
}));
app.listen(Number(PORT), "127.0.0.1");
