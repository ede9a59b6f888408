/// Tokens that PyJWT 2.6 made, and the keys that they are signed with: those of RFC 7515 appendix
/// A.2 and A.3 and of RFC 8037 appendix A.
package enum SignedTokens {
    package static let user = "3f333df6-90a4-4fda-8dd3-9485d27cee36"
    /// `exp` of all but the old ones.
    package static let expiry: Int64 = 1_767_323_105
    package static let expiryOfOld: Int64 = 1_767_320_000

    /// By algorithm: without a `kid`, with one, and one that has expired.
    package struct Tokens: Sendable {
        package let algorithm: String
        package let plain: String
        package let named: String
        package let old: String
    }

    package static let all = [rs256, ps256, es256, edDSA]

    package static let rs256 = Tokens(
        algorithm: "RS256",
        plain: """
            eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.ecB3BnYY0kBHv8zaakyCfca9Cr7nneI_NQqNvr\
            F6uFF5MkL9A7rWLiVvuImo3wHUvavlevJwGHdGGtQadVpUBBFTrMxh2t8i9kGFpVfSTd75qMmO4DXSHA\
            BcZG0kNiatsSO9qQ4v1tOIldmrGQ7tyiNklsY60qFuzk2iD_mjzDFKv90K_4_Xj0Ar7p6eI0-zP5Fs7G\
            eFOy76TYMt9S3iLxYtKhbVz8UNI00DMzeOBCqOMI2D4DhpHNGzfrUFg9mHVZ01y5063gFgII_m8TkIyI\
            EDIU63BTbJCMMbAhj0x_zQi1PGZGgZ_U8lva5o5vDgmYZayfSbEpcXKFAh9023xQ
            """,
        named: """
            eyJhbGciOiJSUzI1NiIsImtpZCI6InJzMjU2LTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIzZjMzM2RmN\
            i05MGE0LTRmZGEtOGRkMy05NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.QXdoonv_EN4biO4c\
            6XfDRRUxV0zJlrOVoS2ITUy-r_mqLEMOt8ps96p9tBUPCVVPTyhH7k6gEKYuVXH-u9JRQAPsKr9vuBB5\
            GKeOmH7KfetGHWQ_5Fl8DP9jYj3motPjerPZHqSnxcUxApXG8s11SFuApjSGN8WKsCN9nDSGDxRdxxPN\
            S3wr-Rn90hTejyJLAPKTAb8hVOXXJUgvDxf30uuhNP3IM1SEMiBExKsNMjR4y8-iLgGNLzmTk5RCDoXQ\
            uQv0EYJJOD1zHmiM9oMeEk4rFtZh0y1fWcCxW3Q8F5iVyfta2sMEMys1KeEf2Zm9gzkbfeYxjGIldH-e\
            H7uS9w
            """,
        old: """
            eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjAwMDB9.DPl0glRBhmS0Kd0Vmu8n5Dz2WOI2CNQ-osVeba\
            T4-MeXucvfxXjfxAmgem2dp60NhIJ7KThNY4nCljdplf_Tj7yfFUhBST2Ip8A-pulgmu3xvFJ4TWgV1P\
            HPhpqfx87-wLu5aYcyvUDEGwvaHBpKkbxMsbu2qmS1mQ4C69Sb229hRhA5xB0SruvgQ2dojwD0rUWTo4\
            BADU8OCKGFLBuZaDFiY9qszG-fmVNNZhZZnNIcV1kMxjtUIKU-UEvaTquRHMvvjAvK1VjP30xIveyV4T\
            7O_Qa5GC7RnWIkSUD0UiYKlpJpzCwoRubiAMMrh3gfLEqrQ7GCTwiUvMS_FYZ0xA
            """)
    package static let ps256 = Tokens(
        algorithm: "PS256",
        plain: """
            eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.k5gIo3jya1JBj4DYL2pDglO4-QXIDMDqpFj3VE\
            _Zck2lX_E0tQDrJQYZ03Ybj_z-fU934AitWoGPLZMw1nfIOjQh_vHvS8Gows_m7BO14crMbdCgxl_gVQ\
            _0cOgsGZ52bguvDrIkK-FaLimd-86pgE_n5TSeLeva7AGgsDZCGgOmP1psE5aswl22JXJrZyf4J0VqLW\
            O0tDuJuwul4WwVEesg3mHEai5DhW1Yu4DTPzTn9aprMUKtuBvWe0XtLe77YH_RUDqSAzuINLoX6d4xFS\
            BMSmiwZ_4zFAqa1xGHcWpn8Eqjti0N9f2bqT_8wlhZ9P0k4f3rfooAaagO7b6WTA
            """,
        named: """
            eyJhbGciOiJQUzI1NiIsImtpZCI6InBzMjU2LTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIzZjMzM2RmN\
            i05MGE0LTRmZGEtOGRkMy05NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.TPUj6Fzj_9lOTbEp\
            uE_6Naj9aVQnz9uTeCh75fBOcwmYwesW4dSfzcLJ8JTWKyxNsNEno4kXWAzE9u5OvGncdvmmGy1hAdwh\
            HI_bVgLV254nSjCx6E1CPhHWufCONulfTt0L3C3WYUbp3tdI_S3yFhxCxxg9R1FlH247ZDOd7NES-IsB\
            dr-DjlRXAPE7NKXdCK8gG5XPfL3Rafodpne0PSET9-BbJT5cwmt7Oit3h12rgoWqeVD8cV-sxb7GMvY5\
            YEsaeBVW_pVK-jhWmfqoom-FDE99tsfPqlxOJsh_mwZzULjr4GUftXxSumyezUrh-dt3rBZODH9C-PX-\
            LKLaFQ
            """,
        old: """
            eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjAwMDB9.D4Xc08xyuhzfUQk7ot_lZmoiU2FmotiW57x-UF\
            xqsM0QuNrjLZ2Qhx-cZFi2bK27aOxl4Hp-dkGNx-nPLMSPFq-67T0BiM0UB85QhQ60PdaRxCrFp1XNMq\
            7YAD4qoWVImNss-WASP3zzInR2M9vywnKW-yQGjC1Ks7uYvmJEPFwxX9HUcfjbFZB2zBsz08GxTLXCz_\
            PeySPWOuJJiiwLUIsXoNsnFvX8so8-r8yHobLEAZDfouEfS2EVfw98SGuAWTMLZ1bbd9zGG8N2dL6zPE\
            VN8AwAq1BGkZJS9ewdCVeUIFX_kw-Dmx1arjGPbLw63Kbs6Td-v-vJmbRVp9Hrkw
            """)
    package static let es256 = Tokens(
        algorithm: "ES256",
        plain: """
            eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.vzRiiBFhBl8wHTkblxGXEH6eX8sNrTKCZUMf4D\
            3ogeaqGTTWS8MbvBDnwXNn0eTbF8QkQsxgjY4h1e3NffUsOw
            """,
        named: """
            eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzMjU2LTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIzZjMzM2RmN\
            i05MGE0LTRmZGEtOGRkMy05NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.IquUxs3mIdwxLgCb\
            yUkxAbqktTUbTl3D-WO0k_GZpwf8ezgcF16EzsXhUnDLgjBqM3EBLTldc9CjQDaTeURCew
            """,
        old: """
            eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjAwMDB9.7TU393iAr2pGWTu_lpITxLRyCoJF0rXIRv7XHN\
            QUhDvYkdkokamA4--vBl7rRTwI4l9CnFL2rK0d6s0ieSAfLQ
            """)
    package static let edDSA = Tokens(
        algorithm: "EdDSA",
        plain: """
            eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.dS4ZdJUJjoS4nCmuOlZ9dLmJ5A4g_BTPlbWp6J\
            PumFxg_sPl49ZWfdSIE9qH0b6VRjE82Yx4q1u_gnLzVDYEBQ
            """,
        named: """
            eyJhbGciOiJFZERTQSIsImtpZCI6ImVkZHNhLTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIzZjMzM2RmN\
            i05MGE0LTRmZGEtOGRkMy05NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjMxMDV9.kGdYwmZwAPQ2jQ7Y\
            RnMdYU6c5Ygb76GF_ha9c26TzRDUja6UYThGQ06OWkaLRC3H_3GzcAPmOeXusOgSdYrZDg
            """,
        old: """
            eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIzZjMzM2RmNi05MGE0LTRmZGEtOGRkMy0\
            5NDg1ZDI3Y2VlMzYiLCJleHAiOjE3NjczMjAwMDB9.FizhNwKAdNio6pZP3MExBYOzsk3mgW3saRzh_b\
            eu6ddSpaDej5ljtaRnbyOyeSrR3jr4wYEnTMJEzsVb7GFvBQ
            """)

    package static let rsaPEM = """
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
    package static let p256PEM = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
        6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
        -----END PUBLIC KEY-----
        """
    package static let ed25519PEM = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
        -----END PUBLIC KEY-----
        """
    package static let rsa1024PEM = """
        -----BEGIN PUBLIC KEY-----
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDD6LGtwx7/HQCe6mWGoN5xC0O+
        2zNg4k6OXmzmjJHl448Im+Cm1+NEoRar0723GKbfBcrDIYdSpDtXl1mIzs9e/9+4
        vv8HU848GomThaqjAfwAyJR8CJMULKCr88BHqnoPymUmeIqsKCbC9PEPlMcN/4t6
        SxrtDf0R787avNHRMwIDAQAB
        -----END PUBLIC KEY-----
        """

    /// Their names are those that the named tokens give.
    package static let keySet = #"""
        {"keys":[
        {"kty":"RSA","kid":"rs256-1","use":"sig","alg":"RS256","e":"AQAB","n":"\#(rsaModulus)"},
        {"kty":"RSA","kid":"ps256-1","alg":"PS256","key_ops":["verify"],"e":"AQAB",
         "n":"\#(rsaModulus)"},
        {"kty":"EC","kid":"es256-1","crv":"P-256",
         "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty":"OKP","kid":"eddsa-1","crv":"Ed25519",
         "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
        ]}
        """#
    package static let rsaModulus = """
        ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz\
        P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
        3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw\
        Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
        yuXpoQ
        """
    /// Of 1,024 bits.
    package static let shortModulus = """
        w-ixrcMe_x0AnuplhqDecQtDvtszYOJOjl5s5oyR5eOPCJvgptfjRKEWq9O9txim3wXKwyGHUqQ7V5dZiM7P\
        Xv_fuL7_B1POPBqJk4WqowH8AMiUfAiTFCygq_PAR6p6D8plJniKrCgmwvTxD5THDf-Leksa7Q39Ee_O2rzR\
        0TM
        """
}
