/// Keys, messages and signatures that others published or made.
enum SignatureVectors {
    // RFC 7515 appendix A: one payload, signed with a key of each kind.

    static let payload = """
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
        Ijp0cnVlfQ
        """

    /// A.1
    static let hmacSigned = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + payload
    static let hmacKey = """
        AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CA\
        ow
        """
    static let hmacSignature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    /// A.2
    static let rsaSigned = "eyJhbGciOiJSUzI1NiJ9." + payload
    static let rsaModulus = """
        ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz\
        P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
        3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw\
        Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
        yuXpoQ
        """
    static let rsaExponent = "AQAB"
    static let rsaSignature = """
        cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt\
        _O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL\
        IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no\
        OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ\
        Ge77Rw
        """

    /// A.3
    static let p256Signed = "eyJhbGciOiJFUzI1NiJ9." + payload
    static let p256X = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
    static let p256Y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    static let p256Signature = """
        DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU\
        1Q
        """

    // RFC 8037 appendix A.

    static let ed25519Signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    static let ed25519Key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    static let ed25519Signature = """
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0K\
        Ag
        """

    // Made with Python's cryptography 38: A.2's message and key, in the forms of PSS.

    /// A salt of 32 bytes and SHA-256 in both places: what RFC 7518 §3.5 asks for.
    static let pssSignature = """
        ZttSt26tOkFZOWsRz45zj-HeX6jT5zZbgd8M_kQSHG9A8OFA844UfpciD-L0Cwn8LsZ-vyhKWtUgj7Vb49S-\
        JE7l5wiSEZA--RYvx5zUifwQf7fpgRxTv8M98WVdQWcXYA2i1cn29yve2iRjNP24oJk92sj98Ku2bToMwH77\
        vrPEMmvObdvHVEkktPIyigfftLoSrKfOm3cTzZMcbExnYE0kma5r1-lpwmsAPeBuxRcYTi453BjLn-lGlHR8\
        y8CmP9MC2mQ3wyGxUYk_jhgRVXEQKhbhl1F1dy6EKKJF01yTlHFKl8QfvKB0OAk7pk5XGRXYNQTHoHwrLh7i\
        Kr3A7g
        """
    /// A salt of 20 bytes.
    static let pssSignatureShortSalt = """
        N2_aUki6di43zeEljLlE2I5paVSTad0GMcxD3nFy2MKLWvXBNsrs98IX9XetSDlzjBdgrL97ILzuaO5Gg98u\
        83Yce_m0pGY06lp0eMtv-sQZe1plzM-ZNdqtTzLBaSqr870kCPXg6igER1shYG-lWFYubu4WsJ7wdUaiEzz8\
        I-7xzWOpDz65gptjWlXnbzJ6-MRAZ6ysHYsudPL_A_BdEVTZikTl4xwhho6kL3slKG_fhZnEHFr5pjg7q8lg\
        _-FYFEMhu7Hc3tmUdHW5CClq9E9wBkTVr256rkFMIX4jJdgl19Fc9XKR5hXo_vQFMdArtVFTL7KQPlsNHyQa\
        6kLnsA
        """
    /// MGF1 with SHA-1.
    static let pssSignatureOtherMask = """
        L5-rd-NHdWhgDsToSvikgdOlMhJQx1fkHn2f6O1Jv10sq9kk_i1F3ifgJtU8P6w32Qvy9huuHCcn---QXcnv\
        uZrz-qfMFXy2Z2mopHM9O8nlIgHt7tZBsIdKv_qgwO39dsFA7OIc5cgWt7nKACTUF-ykdTy9HeIN1vTOqv29\
        H0FgyFsNy_IpId7p8B0rnvZxk6aFyhzBt5EiG1XP8scD1x8_aKgil198gpW2z3x4OWfLcaeaXOpAjHRTjNXL\
        wobajCwEaFL6K_sIvWvIAOptUjN8zcUbUTg1H72aQX17SiQg8Q6DnrxdOkfcA-rRVuKUJK8LnSIXPY4CE4ML\
        h1p9JQ
        """
    /// A.3's signature in the form that certificates have.
    static let p256SignatureDER = """
        MEUCIA7RIVN5Y2xIPC9_FVgH1AKjsigDOvl8fheBmsMWnqZlAiEAxQoH04w8cOXY8S2vCEpUgKZlkMXyk1Ca\
        jz9_ioOjVNU
        """

    // The keys above as files, and some that aren't taken.

    static let rsaPEM = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj
        NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz
        P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo
        9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB
        EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX
        FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp
        oQIDAQAB
        -----END PUBLIC KEY-----
        """
    static let p256PEM = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
        6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
        -----END PUBLIC KEY-----
        """
    static let ed25519PEM = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
        -----END PUBLIC KEY-----
        """
    static let rsa1024PEM = """
        -----BEGIN PUBLIC KEY-----
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDD6LGtwx7/HQCe6mWGoN5xC0O+
        2zNg4k6OXmzmjJHl448Im+Cm1+NEoRar0723GKbfBcrDIYdSpDtXl1mIzs9e/9+4
        vv8HU848GomThaqjAfwAyJR8CJMULKCr88BHqnoPymUmeIqsKCbC9PEPlMcN/4t6
        SxrtDf0R787avNHRMwIDAQAB
        -----END PUBLIC KEY-----
        """
    static let rsa2047PEM = """
        -----BEGIN PUBLIC KEY-----
        MIIBITANBgkqhkiG9w0BAQEFAAOCAQ4AMIIBCQKCAQBxEjevrNYpJuuI7tgSiPeg
        ADT2+e1cf6svxMd4r8TVNR42Nc+M5iWcJ04Du59oQtIsKKPYxLxgUKB9VAGfJuhK
        jRCSqo/6PpEp72wD4/aZ+U+xRKgpfER7kqSTASvO7bDo8YM3daZdBUuwRuQjlK9e
        p8qvCNjTGw7zm53903RYOq60whX2ZrSKnt2fVvmwHgyRqeCVGN33KieQ4sbj02kt
        YVRAxXiO2bzafiPdbPgbHQevFuoml+u3Cz84nhakb9bPpG0ydbwjurQYJaDN6otP
        nkGNJ59fV1dkUvwZ7/bo89mXH9ojq+33KG32w4a/ksOid60dABV0a40wXUqntpxD
        AgMBAAE=
        -----END PUBLIC KEY-----
        """
    static let p384PEM = """
        -----BEGIN PUBLIC KEY-----
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEf8LpmVag+O6mZ3qZHhLKnPmRSiJPu5qs
        I9e3Y5ZuWSYADOamBuwIiRyBia2Jpw2DNzEG1sx8YJ6d6RfeSo1nMe7MKnHtD8G0
        RKbxUqv95sUH50LHtNqDRGm8RuYip/8P
        -----END PUBLIC KEY-----
        """
    static let secp256k1PEM = """
        -----BEGIN PUBLIC KEY-----
        MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEkoCZrQ7B5xG/+H0TjHvJj3Rzu6lEjwCj
        JrBDDTa1mw7l5KKXTBO49XRfF+pclSvqJwMrck7yyhYFspjDDaiNQg==
        -----END PUBLIC KEY-----
        """
}
