// SPDX-License-Identifier: Apache-2.0
//! Texts of a node, by what reads them.

use crate::GROUPS;

use super::Seeds;
use super::texts::FSTAB;

/// A line for each file of a group of paths.
const TEXTS: [&[&str]; 8] = [
    &[
        "root:x:0:0:root:/root:/bin/bash\na::1000:1000:,,,:/home/a:/bin/sh\n",
        "root:$y$j9T$abc$defghijklmnopq:19000:0:99999:7:::\na:!:1::::::\n",
        "root:x:0:\nsudo:x:27:a,root\n",
        "command=\"x y\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0jKyFCmAQWmD\
         JBjEVAAjYqV2wYvMGAzNVbKCnWTfyK me@host\n",
        "Defaults env_reset\n#includedir /etc/sudoers.d\n%sudo ALL=(ALL) ALL\n",
        "a ALL=(ALL) \\\n NOPASSWD:ALL\n",
    ],
    &[
        "[Unit]\nDescription=x\n[Install]\nWantedBy=multi-user.target\n\
         Alias=alias.service\n",
        "[Install]\nAlso=c.socket\n",
        "[Socket]\nListenStream=22\n[Install]\nWantedBy=sockets.target\n",
        "enable a.*\ndisable b?.service\ndisable *\n",
        "/usr/lib/systemd/system/a.service",
        "/usr/lib/systemd/system/c.socket",
        "/usr/lib/systemd/system/a.service",
        "[Service]\nEnvironment=A=b\n",
    ],
    &[
        "deb [signed-by=/k.gpg trusted=yes] http://u:p@a/d s main\n",
        "Types: deb\nURIs: http://b/\nSuites: s s-updates\nComponents: main\n\
         Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\nEnabled: no\n",
        "[k]\nbaseurl=https://c/\n  https://d/\ngpgcheck=0\nenabled=1\n",
        "[z]\nbaseurl=https://e/\ngpgkey=https://e/k\n",
        "https://f/main\n@edge https://f/edge\n",
    ],
    &[
        "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
        "net/ipv4/ip_forward=1\n# c\nkernel.panic=10\npassword=x\n",
        "vm.swappiness = 0\n",
        "overlay\nbr_netfilter\n",
        "# c\nloop\n",
        "blacklist pcspkr\ninstall cramfs /bin/false\noptions loop max_loop=8\n",
    ],
    &[
        "menuentry 'x' {\n\tlinux\t/boot/vmlinuz-6 root=UUID=a ro quiet\n}\n",
        "title x\nversion 6\nlinux /vmlinuz-6\noptions root=UUID=a $kernelopts\n",
        "root=UUID=a ro\n",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX='a b'\n",
        "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
    ],
    &[
        "Include /etc/ssh/sshd_config.d/*.conf\nPort 22\nPermitRootLogin no\n\
         Match User a\nPasswordAuthentication yes\n",
        "PasswordAuthentication=no\nInclude b.conf\nAllowUsers a b\n",
        "ListenAddress \"::\"\nInclude sshd_config.d/a.conf\n",
    ],
    &[
        "system_info:\n  default_user: {name: debian}\ndatasource_list: [Ec2]\n",
        "datasource_list: [ NoCloud, None ]\n",
        "policy: search,found=all\n",
    ],
    &[
        "{\"spdxVersion\":\"SPDX-2.3\",\"creationInfo\":{\"creators\":[\"x\"]},\
         \"packages\":[{\"SPDXID\":\"SPDXRef-base-image\",\"name\":\"b\"}]}",
        "[{\"id\":\"aa\",\"names\":[\"r.example/a:1\"],\"digest\":\
         \"sha256:bb\"}]",
    ],
];

/// What `setcap cap_net_raw=ep` writes.
const CAPABILITY: [u8; 20] =
    [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const GOSS: &str = "file:\n  /etc/motd:\n    exists: true\n    mode: \"0644\"\n\
    \x20   contains: [a, '/^b+$/', '!c']\npackage:\n  kubelet:\n\
    \x20   installed: true\n    versions: [{have-prefix: '1.36.'}]\n\
    kernel-param:\n  net.ipv4.ip_forward: {value: {or: ['1', {gt: 0}]}}\n\
    matching:\n  x: {content: [1], matches: {and: [{have-len: 1}, \
    {consist-of: [1]}, {not: {contain-element: {match-regexp: 'x{2}'}}}]}}\n";

const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/\
    copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: GPL-2+\n\n\
    Files: b\nLicense: Expat or (Artistic and GPL-3 with exceptions)\n\n\
    License: GPL-2+\n text\n";

const KEPT: &str = "[main]\ngpgcheck=1\nexclude=a, kube*\n  docker\n[other]\n\
    exclude=b\n\n[[packages]]\nname = \"kubelet\"\n[[packages.conditions]]\n\
    key = \"evr\"\ncomparator = \"=\"\nvalue = \"1:1.36.0-1\"\n";

const CHECKED: &str = "\tlinux /vmlinuz root=UUID=a-b ro\nsearch --no-floppy \
    --fs-uuid --set=root d-e\nset kernelopts=\"root=LABEL=f ro \"\n\
    sandbox_image = \"registry.example/pause:3.10\"\nsandbox = 'a'\n\
    kubelet-0:1.36.0-1.*\nsolvable_name: kube*\nexclude=kubelet\n";

const SAID: &str = "'http://a.b/a_1_all.deb' a_1_all.deb 5 SHA256:\
    44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n\
    a-b_1%3a2~x-3_amd64.deb\nii \tadduser\t3.134\tall\n\
    musl-1.2.5-r0 x86_64 {musl} (MIT) [installed]\nPackage: a\n x\n";

const OPERATIONS: &str = "# c\ninstall a,b=1\nwrite /a:b \\\n  c\n\
    password root:locked\nkernel-cmdline a=1 -quiet\ntimezone Etc/UTC\n";

const ENVIRONMENT: &str = "# GRUB Environment Block\nsaved_entry=a\n\
    kernelopts=root=UUID=a ro quiet \n##########";

pub(crate) fn add(seeds: &Seeds) {
    for (group, texts) in TEXTS.iter().enumerate() {
        assert_eq!(texts.len(), GROUPS[group].len(), "group {group}");
        let name = format!("group-{group}");
        let texts: Vec<&[u8]> = texts.iter().map(|t| t.as_bytes()).collect();
        seeds.add("inspection", &name, joined(group, &texts));
        // Each once as it is, once without its first line.
        let versions: Vec<&[u8]> = texts
            .iter()
            .flat_map(|text| {
                let end = text.iter().position(|byte| *byte == b'\n');
                [*text, &text[end.map_or(0, |end| end + 1)..]]
            })
            .collect();
        seeds.add("comparison", &name, joined(group, &versions));
    }
    let none: &[u8] = b"";
    let capability = joined(8, &[none, &CAPABILITY]);
    seeds.add("comparison", "capability", capability);
    seeds.add("comparison", "versions", "\x021:1.0~rc1-1 1.0+b1-2 1.0a-1");
    let goss = [GOSS.as_bytes(), b"\xff", b"a\nb\n1.36.2-1.1\n"].concat();
    seeds.add("goss", "all", goss);
    for (kind, text) in [
        (0, COPYRIGHT),
        (1, TEXTS[1][0]),
        (1, "getty@tty1.service\na.timer\nb\n"),
        (2, TEXTS[3][0]),
        (3, CHECKED),
        (3, KEPT),
        (4, SAID),
        (5, KEPT),
        (6, FSTAB),
        (
            7,
            "containerd github.com/containerd/containerd/v2 v2.1.3 c78\n",
        ),
        (7, "registry.example/pause:3.10\nb/c@sha256:aa\n"),
        (8, ENVIRONMENT),
        (8, TEXTS[4][1]),
        (8, TEXTS[4][3]),
        (9, TEXTS[0][1]),
        (10, OPERATIONS),
    ] {
        let name = format!("{kind}-{}", text.len());
        seeds.add("image_text", &name, joined(kind, &[text.as_bytes()]));
    }
    let parts = [
        "/.* u:r:default:s0\n/etc(/.*)? u:r:etc:s0\n/etc/.*\\.key -- u:r:k:s0\n\
         /etc/motd -- u:r:motd:s0\n/tmp/[^/]+ -d <<none>>\n",
        "/lib64 /usr/lib\n/sysroot /\n",
        "/etc/motd\n/lib64/x\n/etc/a/b.key\n/sysroot\n",
    ];
    let labels = parts.map(str::as_bytes).join(&0xff);
    seeds.add("selinux_labels", "policy", labels);
}

/// An input that is parted as [`crate::parts`] says.
fn joined(first: usize, parts: &[&[u8]]) -> Vec<u8> {
    [&[first as u8], &parts.join(&0xff)[..]].concat()
}
